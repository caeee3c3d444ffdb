create function freshness.retry(p_data_type text, p_symbol text)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
    update freshness.jobs as j
    set
        state = 'scheduled', attempts = 0, not_before = null, last_error = null,
        run_at = least(j.run_at, clock_timestamp()), requested_at = clock_timestamp()
    where j.data_type = p_data_type and j.symbol = p_symbol and j.state <> 'running';
    if found then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
    return found;
end
$$;

comment on function freshness.retry(text, text) is
    'Releases a key that is set aside or held back after failing: it is due now, with its attempts counted anew.'
    ' False when it has no job, or is running.';
