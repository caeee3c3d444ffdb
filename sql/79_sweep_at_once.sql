create function freshness.sweep()
returns freshness.sweeps
language plpgsql
set search_path = ''
set jit = off
as $$
declare
    v_sweep freshness.sweeps;
begin
    call freshness.sweep_in_steps(false, p_sweep => v_sweep);
    return v_sweep;
end
$$;

comment on function freshness.sweep() is
    'The sweep in one transaction: see sweep_in_steps. Null when another sweep is under way.';

create function freshness.sweep_if_due(p_interval interval)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
    if exists (select from freshness.sweeps as s where s.started_at > clock_timestamp() - p_interval) then
        return false;
    end if;
    return (freshness.sweep()).id is not null;
end
$$;

comment on function freshness.sweep_if_due(interval) is
    'Runs the sweep unless one has run within p_interval: what workers call where pg_cron does not. True when it ran.';
