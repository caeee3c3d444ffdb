begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(11);

select is_empty(
    $$
    select c.oid::regclass, r.role
    from pg_class as c cross join unnest(array['anon', 'authenticated']) as r (role)
    where
        c.relnamespace = 'freshness'::regnamespace and c.relkind in ('r', 'v')
        and has_table_privilege(r.role, c.oid, 'select, insert, update, delete, truncate')
    $$, 'browsers reach no table'
);
select is_empty(
    $$
    select f.oid::regprocedure, r.role
    from pg_proc as f cross join unnest(array['anon', 'authenticated', 'service_role']) as r (role)
    where
        f.pronamespace = 'freshness'::regnamespace and has_function_privilege(r.role, f.oid, 'execute')
        and (r.role = 'anon' or f.proname not in ('get_or_queue', 'queue_for_caller', 'answer_for_caller'))
    $$, 'and no function but the parts of get_or_queue'
);
select ok(
    has_function_privilege('authenticated', 'public.get_or_queue(text, text)', 'execute')
    and not has_function_privilege('anon', 'public.get_or_queue(text, text)', 'execute')
    and not has_schema_privilege('authenticated', 'freshness', 'usage'),
    'which signed-in users call by its name in public, and cannot name here'
);
select is_empty(
    $$
    select f.oid::regprocedure, r.role
    from pg_proc as f cross join unnest(array['anon', 'authenticated']) as r (role)
    where
        f.pronamespace = 'public'::regnamespace
        and f.proname in (
            'is_data_stale_v2', 'queue_refresh_if_not_exists_v2', 'check_and_queue_stale_batch_v2',
            'check_and_queue_stale_data_from_presence_v2', 'get_active_subscriptions_from_realtime',
            'check_staleness_on_update', 'on_realtime_subscription_insert'
        )
        and has_function_privilege(r.role, f.oid, 'execute')
    $$, 'nor the documents'' functions'
);
select is_empty(
    $$
    select oid::regclass from pg_class
    where relnamespace = 'freshness'::regnamespace and relkind = 'r' and not relrowsecurity
    $$,
    'each table has row level security'
);
set local role service_role;
select lives_ok($$ select * from freshness.key_status $$, 'server code may read the state of keys');
select lives_ok($$ select * from public.data_type_registry_v2 $$, 'and the registry');
select lives_ok(
    $$ select public.check_and_queue_stale_batch_v2('A', '{}') $$, 'and queue by the documents'' functions'
);
select throws_ok($$ select * from freshness.watches $$, '42501', null, 'but not who watches what');
set local role anon;
select throws_ok($$ select * from freshness.jobs $$, '42501', null, 'a browser may not read jobs');
select throws_ok($$ select * from public.data_type_registry_v2 $$, '42501', null, 'nor the registry');
reset role;

select * from finish();
rollback;
