-- Every worker looks at the latest half a minute after its last look, so a moment further away needs no signal.
create function freshness.wake(p_run_at timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if p_run_at < clock_timestamp() + interval '35 seconds' then
        perform pg_notify('freshness_work', p_run_at::text);
    end if;
end
$$;

comment on function freshness.wake(timestamptz) is
    'Tells sleeping workers, once this transaction commits, that something is due at p_run_at. Channel freshness_work;'
    ' the payload is that moment. A hint only: whoever misses it looks within half a minute.';
