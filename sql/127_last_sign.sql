-- A worker that sleeps is not heard of, and can be handed a job all the same: its time to show that it lives begins
-- with that. A start in the future was noted before the clock was set back, and does not count.
create function freshness.last_sign(p_seen_at timestamptz, p_started_at timestamptz, p_heartbeat_limit interval)
returns timestamptz
language plpgsql
set search_path = pg_temp
as $$
begin
    if p_started_at > p_seen_at and p_started_at <= clock_timestamp() + p_heartbeat_limit then
        return p_started_at;
    end if;
    return p_seen_at;
end
$$;

comment on function freshness.last_sign(timestamptz, timestamptz, interval) is
    'From when the heartbeat limit of a worker counts, for a job that it runs since p_started_at.';
