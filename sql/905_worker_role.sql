-- The least that a worker and the endpoint need. Nobody logs in as this role: create one that does, with a password of
-- its own, in it. Roles belong to the cluster, not to the database: another database may have made it, or be at it.
do $$
begin
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'freshness_worker') then
        create role freshness_worker nologin;
    end if;
exception
    when duplicate_object or unique_violation then
        null;
end
$$;

-- What workers and the endpoint call runs with the owner's rights: so the role needs none on any table, neither ours
-- nor those that the data goes to, and row level security of data tables does not stand in a refresh's way. It stores
-- rows only by ending a refresh whose fence it holds.
do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select f.oid
        from pg_catalog.pg_proc as f
        where
            f.pronamespace = 'freshness'::regnamespace
            and f.proname in (
                'announce_worker', 'heartbeat', 'dismiss_worker', 'claim', 'turn', 'finish', 'fail', 'next_moment',
                'settle', 'hand_on', 'disarm', 'sweep_if_due', 'request', 'watch', 'unwatch', 'add_cards', 'retry',
                'explain', 'renew_worker', 'key_states', 'wait_for', 'stop_listening', 'forget_lost_listeners',
                'open_streams', 'follow_keys', 'look_at_streams', 'renew_streams', 'close_streams', 'tell_lines',
                'stream_figures', 'hand_back', 'taken_up'
            )
    loop
        execute format('alter function %s security definer', v_function);
        execute format('revoke all on function %s from public', v_function);
        execute format('grant execute on function %s to freshness_worker', v_function);
    end loop;
end
$$;
grant usage on schema freshness to freshness_worker;

-- The figures of status and metrics are views, read with the reader's rights; who watches what is not among them.
do $$
declare
    v_table text;
begin
    foreach v_table in array array[
        'data_types', 'jobs', 'events', 'sweeps', 'workers', 'sources', 'spent_calls', 'spent_days',
        'freshness_samples', 'pulls', 'sleepers'
    ] loop
        execute format(
            'create policy worker_reads on freshness.%I for select to freshness_worker using (true)', v_table
        );
        execute format('grant select on freshness.%I to freshness_worker', v_table);
    end loop;
end
$$;
grant select on freshness.key_status, freshness.data_type_status, freshness.source_status, freshness.slo,
freshness.overdue, freshness.findings to freshness_worker;
-- What these views and a worker's look call, with the reader's rights too.
grant execute on function freshness.seconds_until(timestamptz) to freshness_worker;
grant execute on function freshness.somebody_works() to freshness_worker;
grant execute on function freshness.moment_in_words(timestamptz) to freshness_worker;
