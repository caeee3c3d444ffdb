-- One at a time. The lock ends with the transaction, however that ends, so that it never outlives its session, also
-- behind a pooler. A sweep that commits takes it anew; if another one came in between, that one does all the rest.
create function freshness.begin_sweep()
returns boolean
language sql
set search_path = ''
as $$
    select pg_try_advisory_xact_lock(hashtext('freshness.sweep'))
$$;

comment on function freshness.begin_sweep() is
    'Begins a transaction of a sweep: false when another sweep is under way.';

-- The net under everything: from any state it brings the tables back to what the triggers and the claim would have
-- made. pg_cron repeats it with a limit, each time in a transaction of its own, so that none of them locks many rows.
create function freshness.sweep(
    p_limit integer default null,
    p_time_limit interval default interval '60 seconds'
)
returns freshness.sweeps
language plpgsql
set search_path = ''
set jit = off
set work_mem = '32MB'
-- How many rows there are changes from slice to slice, and from one sweep of a session to the next.
set plan_cache_mode = force_custom_plan
as $$
declare
    v_sweep freshness.sweeps;
    v_started_at timestamptz := clock_timestamp();
    v_differing record;
    v_work record;
    v_rows bigint[];
    v_symbols text[];
    v_type text;
    v_slice record;
    v_passed_over bigint := 0;
    v_left integer := coalesce(p_limit, 2000000000);
    v_size constant integer := least(20000, v_left);
begin
    if not freshness.begin_sweep() then
        return null;
    end if;
    for v_turn in 0..freshness.turns_to_fold(v_size) loop
        perform freshness.fold_pulls(v_size);
    end loop;
    v_sweep.watches_ended := freshness.end_watches();
    v_sweep.taken_over := freshness.take_over();
    v_sweep.jobs_mended := freshness.forget_unregistered() + freshness.mend_not_before();
    v_sweep.watches_mended := 0;
    v_sweep.keys_released := freshness.drop_unwatched();
    v_sweep.viewers_counted := 0;
    v_differing := freshness.differing_subscriptions();
    for v_work in select true as are_plain, v_differing.plain as rows union all select false, v_differing.others loop
        for v_from in 1..cardinality(v_work.rows) by v_size loop
            exit when v_left <= 0 or clock_timestamp() > v_started_at + p_time_limit;
            v_rows := v_work.rows[v_from:v_from + v_size - 1];
            select * into v_slice from freshness.sweep_subscriptions(v_rows, v_work.are_plain);
            v_sweep.watches_mended := v_sweep.watches_mended + v_slice.mended;
            v_passed_over := v_passed_over + v_slice.passed_over;
            v_left := v_left - cardinality(v_rows);
        end loop;
    end loop;

    for v_type in select t.name from freshness.data_types as t order by t.name loop
        v_differing := freshness.differing_keys(v_type);
        for v_work in
            select true as are_missing, v_differing.missing as symbols union all select false, v_differing.others
        loop
            for v_from in 1..cardinality(v_work.symbols) by v_size loop
                exit when v_left <= 0 or clock_timestamp() > v_started_at + p_time_limit;
                v_symbols := v_work.symbols[v_from:v_from + v_size - 1];
                select * into v_slice from freshness.sweep_keys(v_type, v_symbols, v_work.are_missing);
                v_sweep.jobs_mended := v_sweep.jobs_mended + v_slice.mended;
                v_sweep.keys_released := v_sweep.keys_released + v_slice.released;
                v_sweep.viewers_counted := v_sweep.viewers_counted + v_slice.counted;
                v_passed_over := v_passed_over + v_slice.passed_over;
                v_left := v_left - cardinality(v_symbols);
            end loop;
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
        v_sweep.taken_over, v_left > 0 and v_passed_over = 0 and clock_timestamp() <= v_started_at + p_time_limit
    )
    returning s.* into v_sweep;
    return v_sweep;
end
$$;

comment on function freshness.sweep(integer, interval) is
    'Reconciles watches with realtime.subscription, ends leases, gives every watched key the job that it should have,'
    ' hands on the jobs of dead workers, prunes history. Stops after p_limit differing rows (null: all) or after'
    ' p_time_limit, and waits for no row that somebody holds; is_complete says whether it got through. Returns what it'
    ' did, also kept in freshness.sweeps; null when another sweep is under way.';
