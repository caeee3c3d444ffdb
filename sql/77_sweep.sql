-- The net under everything: from any state it brings the tables back to what the triggers and the claim would have
-- made. A procedure that commits may set nothing for itself, so each of its transactions does.
create procedure freshness.sweep_in_steps(
    p_commits boolean default true,
    p_time_limit interval default interval '60 seconds',
    inout p_sweep freshness.sweeps default null
)
language plpgsql
as $$
declare
    v_sweep freshness.sweeps;
    v_started_at timestamptz := clock_timestamp();
    v_rows bigint[];
    v_symbols text[];
    v_type text;
    v_slice record;
    v_from integer;
    v_passed_over bigint := 0;
    v_is_ours boolean;
    v_size constant integer := 5000;
begin
    set local search_path = '';
    set local jit = off;
    p_sweep := null;
    if not freshness.begin_sweep() then
        return;
    end if;
    for v_from in 0..(select count(*) from freshness.pulls) by v_size loop
        perform freshness.fold_pulls(v_size);
    end loop;
    v_sweep.watches_ended := freshness.end_watches();
    v_sweep.taken_over := freshness.take_over();
    v_sweep.jobs_mended := freshness.forget_unregistered();
    v_sweep.watches_mended := 0;
    v_sweep.keys_released := freshness.drop_unwatched();
    v_sweep.viewers_counted := 0;
    v_rows := freshness.differing_subscriptions();
    v_is_ours := true;

    for v_from in 1..cardinality(v_rows) by v_size loop
        exit when not v_is_ours or clock_timestamp() > v_started_at + p_time_limit;
        select * into v_slice from freshness.sweep_subscriptions(v_rows[v_from:v_from + v_size - 1]);
        v_sweep.watches_mended := v_sweep.watches_mended + v_slice.mended;
        v_passed_over := v_passed_over + v_slice.passed_over;
        if p_commits then
            commit;
            set local search_path = '';
            set local jit = off;
            v_is_ours := freshness.begin_sweep();
        end if;
    end loop;

    for v_type in select t.name from freshness.data_types as t order by t.name loop
        exit when not v_is_ours;
        v_symbols := freshness.differing_keys(v_type);
        for v_from in 1..cardinality(v_symbols) by v_size loop
            exit when not v_is_ours or clock_timestamp() > v_started_at + p_time_limit;
            select * into v_slice from freshness.sweep_keys(v_type, v_symbols[v_from:v_from + v_size - 1]);
            v_sweep.jobs_mended := v_sweep.jobs_mended + v_slice.mended;
            v_sweep.keys_released := v_sweep.keys_released + v_slice.released;
            v_sweep.viewers_counted := v_sweep.viewers_counted + v_slice.counted;
            v_passed_over := v_passed_over + v_slice.passed_over;
            if p_commits then
                commit;
                set local search_path = '';
                set local jit = off;
                v_is_ours := freshness.begin_sweep();
            end if;
        end loop;
    end loop;

    v_sweep.history_pruned := freshness.prune();
    insert into freshness.sweeps as s (
        started_at, duration, watches_ended, keys_released, viewers_counted, history_pruned,
        watches_mended, jobs_mended, taken_over, is_complete
    )
    values (
        v_started_at, clock_timestamp() - v_started_at, v_sweep.watches_ended, v_sweep.keys_released,
        v_sweep.viewers_counted, v_sweep.history_pruned, v_sweep.watches_mended, v_sweep.jobs_mended,
        v_sweep.taken_over, v_is_ours and v_passed_over = 0 and clock_timestamp() <= v_started_at + p_time_limit
    )
    returning s.* into v_sweep;
    p_sweep := v_sweep;
end
$$;

comment on procedure freshness.sweep_in_steps (boolean, interval, freshness.sweeps) is
    'Reconciles watches with realtime.subscription, ends leases, gives every watched key the job that it should have,'
    ' hands on the jobs of dead workers, prunes history. Commits every 5,000 rows if p_commits, waits for no row that'
    ' somebody holds, and stops at p_time_limit. p_sweep: what it did, also kept in freshness.sweeps; null when another'
    ' sweep is under way.';
