create function freshness.sweep_if_due(p_interval interval)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    -- One in the future was made before the clock was set back.
    if exists (
        select from freshness.sweeps as s
        where s.started_at between clock_timestamp() - p_interval and clock_timestamp() + interval '1 second'
    ) then
        return false;
    end if;
    return (freshness.sweep()).id is not null;
end
$$;

comment on function freshness.sweep_if_due(interval) is
    'Runs the sweep unless one has run within p_interval: what workers call where pg_cron does not. True when it ran.';
