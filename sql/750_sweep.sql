create function freshness.end_sweep(p_sweep freshness.sweeps)
returns freshness.sweeps
language plpgsql
set search_path = pg_temp
as $$
declare
    v_sweep freshness.sweeps := p_sweep;
begin
    v_sweep.history_pruned := freshness.prune();
    insert into freshness.sweeps as s (
        started_at, duration, watches_ended, keys_released, viewers_counted, history_pruned,
        watches_mended, jobs_mended, taken_over, is_complete
    )
    values (
        v_sweep.started_at, clock_timestamp() - v_sweep.started_at, v_sweep.watches_ended, v_sweep.keys_released,
        v_sweep.viewers_counted, v_sweep.history_pruned, v_sweep.watches_mended, v_sweep.jobs_mended,
        v_sweep.taken_over, v_sweep.is_complete
    )
    returning s.* into v_sweep;
    return v_sweep;
end
$$;

comment on function freshness.end_sweep(freshness.sweeps) is
    'Prunes history, and records what a sweep did; returned with its id.';

-- The net under everything: from any state it brings the tables back to what the triggers and the claim would have
-- made. pg_cron takes each slice in a transaction of its own (freshness.schedule_sweep), so that none locks many rows.
create function freshness.sweep(p_time_limit interval default interval '60 seconds')
returns freshness.sweeps
language plpgsql
set search_path = pg_temp
as $$
declare
    v_size constant integer := 20000;
    v_sweep freshness.sweeps := freshness.prepare_sweep(v_size);
begin
    while v_sweep.started_at is not null and v_sweep.id is null loop
        if clock_timestamp() > v_sweep.started_at + p_time_limit then
            v_sweep.is_complete := false;
            return freshness.end_sweep(v_sweep);
        end if;
        v_sweep := freshness.sweep_slice(v_sweep, v_size);
    end loop;
    return v_sweep;
end
$$;

comment on function freshness.sweep(interval) is
    'Reconciles watches with realtime.subscription, ends leases, gives every watched key the job that it should have,'
    ' hands on the jobs of dead workers, prunes history. Stops after p_time_limit, and waits for no row that somebody'
    ' holds; is_complete says whether it got through. Returns what it did, also kept in freshness.sweeps; null when'
    ' another sweep is under way.';
