-- Who may do what: each object of ours, and each grant on one. An object or a grant that is not here fails: decide who
-- needs it, and write it down here and in sql/900_grants.sql or sql/905_worker_role.sql.
begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(19);

create temporary table allowed (kind text, object text, grantee text, privileges text) on commit drop;

-- Nobody but their owner may use these.
insert into allowed (kind, object)
select 'function', 'freshness.' || n
from regexp_split_to_table(
    trim(
        $$
            add_jobs after_success ahead_expression all_became_fresher allowance apply_data_type are_too_many arm
            ask_not_before attach_data_triggers attach_subscription_trigger backoff begin_sweep call_understudy
            caller_name canonical_symbols card_as_json cast_symbol cast_symbols changed_rows charge_sources
            check_data_type check_words claim_in_rounds claim_one claim_one_body claim_plain claim_plain_body
            claim_told claims_plain column_list deadline_expression decide define_claims define_data_trigger
            define_end_plainly define_ends define_look define_not_before define_subscription_trigger
            detach_data_triggers differing_keys differing_subscriptions doubtful_keys drop_unwatched due_jobs
            earlier_keys end_plainly end_plainly_body end_refreshes end_subscriptions end_sweep end_together
            end_watches ends_body find_column find_function find_key_columns find_table find_table_again
            find_timestamp_column find_ttl_column finish_many fold_keys fold_pulls fold_spent_calls
            forget_unregistered gather_spent_calls hand_over have_plenty hold_jobs is_used job_writers
            judge_updated_row key_condition keys_after last_sign lease_owner lease_streams leased_keys limits_of_cards
            listen_for live_watches lock_best lock_rows look look_at_key look_joins looks_at_ends looks_at_one
            measure_refresh_ahead mend_not_before mend_watches move_ended newest_row newest_timestamp next_due
            next_in_words next_missed_heartbeat next_of_source note_look note_source_failure note_source_success
            open_source open_sources owner_name pause_source plain_symbol prepare_rows prepare_sweep prune
            pull_all_keys pull_all_rows pull_changed_keys raise_fence_lost raise_priorities read_cards read_interval
            read_subscriptions reconsider reconsider_once record_watches refresh_expression refuse refuse_call
            refuse_costs refuse_streams refuse_too_many register_data_type register_source release_unreadable
            renew_look renew_update_trigger row_condition runs_for_nobody schedule schedule_sweep seconds_until_fold
            seen sleep_until somebody_died spend stale_wait stay_awake store_answer store_answers store_together
            stream_states stream_status subscribed_keys sweep sweep_keys sweep_slice sweep_subscriptions take_over
            take_sample tell_listeners tell_queued tidy_spent_calls timestamp_expression tokens try_to_end
            ttl_expression turns_to_fold understudy_until unregister_data_type unregister_source unregistered
            update_condition used_calls waits wake watch_later watch_plain_subscriptions watch_streams
            watch_subscribed_key watch_subscribed_keys watch_subscriptions write_plainly write_rows
        $$, e' \n'
    ), '\s+'
) as n;
insert into allowed (kind, object)
values
('function', 'public.check_staleness_on_update'),
('function', 'public.on_realtime_subscription_insert'),
('sequence', 'freshness.events_id_seq'),
('sequence', 'freshness.fences'),
('sequence', 'freshness.pulls_id_seq'),
('sequence', 'freshness.sweep_slices_id_seq'),
('sequence', 'freshness.sweeps_id_seq'),
('sequence', 'freshness.workers_id_seq'),
('table', 'freshness.card_limits'),
('table', 'freshness.listeners'),
('table', 'freshness.sweep_slices'),
('table', 'freshness.watches');

-- Signed-in users, and server code with the secret key.
insert into allowed
select 'function', f, r, 'EXECUTE'
from unnest(array['authenticated', 'service_role']) as r
cross join unnest(
    array[
        'public.get_or_queue', 'public.on_card_add', 'freshness.get_or_queue', 'freshness.queue_for_caller',
        'freshness.answer_for_caller'
    ]
) as f;

-- Server code alone.
insert into allowed
values
('schema', 'freshness', 'service_role', 'USAGE'),
('function', 'freshness.refresh_for_server', 'service_role', 'EXECUTE'),
('function', 'freshness.request_for_server', 'service_role', 'EXECUTE'),
('function', 'freshness.sweep_for_server', 'service_role', 'EXECUTE'),
('function', 'freshness.subscriptions_for_server', 'service_role', 'EXECUTE'),
('function', 'public.check_and_queue_stale_batch_v2', 'service_role', 'EXECUTE'),
('function', 'public.check_and_queue_stale_data_from_presence_v2', 'service_role', 'EXECUTE'),
('function', 'public.get_active_subscriptions_from_realtime', 'service_role', 'EXECUTE'),
('function', 'public.is_data_stale_v2', 'service_role', 'EXECUTE'),
('function', 'public.queue_refresh_if_not_exists_v2', 'service_role', 'EXECUTE'),
('table', 'freshness.data_types', 'service_role', 'SELECT'),
('table', 'freshness.jobs', 'service_role', 'SELECT'),
('view', 'freshness.key_status', 'service_role', 'SELECT'),
('view', 'public.data_type_registry_v2', 'service_role', 'SELECT');

-- The worker and the endpoint.
insert into allowed values ('schema', 'freshness', 'freshness_worker', 'USAGE');
insert into allowed
select 'function', 'freshness.' || f, 'freshness_worker', 'EXECUTE'
from unnest(
    array[
        'announce_worker', 'heartbeat', 'dismiss_worker', 'claim', 'finish', 'fail', 'next_moment', 'settle',
        'hand_on', 'disarm', 'sweep_if_due', 'request', 'watch', 'unwatch', 'add_cards', 'retry', 'explain',
        'renew_worker', 'turn', 'key_states', 'wait_for', 'stop_listening', 'forget_lost_listeners', 'open_streams',
        'follow_keys',
        'look_at_streams', 'renew_streams', 'close_streams', 'tell_lines', 'stream_figures', 'hand_back', 'taken_up',
        'seconds_until', 'somebody_works', 'moment_in_words'
    ]
) as f;
insert into allowed
select 'table', 'freshness.' || t, 'freshness_worker', 'SELECT'
from unnest(
    array[
        'data_types', 'jobs', 'events', 'sweeps', 'workers', 'sources', 'spent_calls', 'spent_days',
        'freshness_samples', 'pulls', 'sleepers'
    ]
) as t;
insert into allowed
select 'view', 'freshness.' || v, 'freshness_worker', 'SELECT'
from unnest(array['key_status', 'data_type_status', 'source_status', 'slo', 'overdue', 'findings']) as v;

-- What there is: ours in public are those that lead to schema freshness. What registrations write is looked at below.
create temporary table found on commit drop as
with objects as (
    select 'schema' as kind, n.nspname::text as object, n.nspacl as acl, 'n'::"char" as type, n.nspowner as owner
    from pg_namespace as n
    where n.nspname = 'freshness'
    union all
    select
        case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end,
        format('%s.%s', c.relnamespace::regnamespace, c.relname), c.relacl,
        (case c.relkind when 'S' then 's' else 'r' end)::"char", c.relowner
    from pg_class as c
    where
        c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        and (
            c.relnamespace = 'freshness'::regnamespace
            or (
                c.relnamespace = 'public'::regnamespace and c.relkind in ('v', 'm')
                and pg_get_viewdef(c.oid) like '%freshness.%'
            )
        )
    union all
    select 'function', format('%s.%s', f.pronamespace::regnamespace, f.proname), f.proacl, 'f'::"char", f.proowner
    from pg_proc as f
    where
        (
            f.pronamespace = 'freshness'::regnamespace
            and f.proname not in (
                select p || t.name
                from freshness.data_types as t
                cross join unnest(array['look_', 'look_at_', 'changed_', 'not_before_']) as p
            )
        )
        or (
            f.pronamespace = 'public'::regnamespace and f.prokind <> 'a'
            and (f.proname = 'is_data_stale_v2' or pg_get_functiondef(f.oid) like '%freshness.%')
        )
)

select distinct o.kind, o.object, g.grantee, g.privileges
from objects as o
left join lateral (
    select
        case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee,
        string_agg(a.privilege_type, ', ' order by a.privilege_type) as privileges
    from aclexplode(coalesce(o.acl, acldefault(o.type, o.owner))) as a
    where a.grantee <> o.owner
    group by a.grantee
) as g on true;

select set_eq(
    'select distinct kind, object from found', 'select distinct kind, object from allowed',
    'each object of ours is in the matrix'
);
select set_eq(
    'select * from found where grantee is not null', 'select * from allowed where grantee is not null',
    'and nobody may do more, or less'
);
select is_empty(
    $$
    select a.attrelid::regclass, a.attname from pg_attribute as a
    where a.attacl is not null and a.attrelid::regclass::text in (select object from found)
    $$, 'no column has grants of its own'
);
select is_empty(
    $$
    select m.roleid::regrole from pg_auth_members as m
    where m.member in ('anon'::regrole, 'authenticated'::regrole) or m.member = 'freshness_worker'::regrole
    $$, 'and no role of browsers or of the worker has another one''s rights'
);
select is_empty(
    $$
    select f.oid::regprocedure from pg_proc as f
    where
        f.prosecdef and format('%s.%s', f.pronamespace::regnamespace, f.proname) in (select object from found)
        and (
            not coalesce('search_path=pg_temp' = any (f.proconfig), false)
            or has_function_privilege('public', f.oid, 'execute')
        )
    $$, 'what runs with our rights looks nowhere else for names, and is nobody''s by default'
);
select is_empty(
    $$
    select oid::regclass from pg_class
    where relnamespace = 'freshness'::regnamespace and relkind in ('r', 'p') and not relrowsecurity
    $$,
    'each table has row level security'
);
select is_empty(
    $$
    select oid::regclass from pg_class
    where
        oid::regclass::text in (select object from found where kind = 'view' union all select 'data_type_registry_v2')
        and relkind = 'v' and not coalesce('security_invoker=true' = any (reloptions), false)
    $$,
    'and each view its reader''s rights'
);
select set_eq(
    $$ select distinct p.roles::text, p.cmd from pg_policies as p where p.schemaname = 'freshness' $$,
    $$ values ('{freshness_worker}', 'SELECT') $$, 'the only policies let the worker read'
);
select is_empty(
    $$
    select a.attrelid::regclass, a.attname
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid
    where
        c.relnamespace = 'freshness'::regnamespace and a.attnum > 0
        and a.attname ~ '(claim|_token|secret|password|jwt|email)'
    $$, 'no claim and no secret is stored'
);

create table public.freshness_pgtap_quotes (symbol text primary key, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'public.freshness_pgtap_quotes', ttl => '1 minute');
end
$$;
select is_empty(
    $$
    select f.oid::regprocedure, r.role
    from pg_proc as f
    cross join unnest(array['public', 'anon', 'authenticated', 'service_role', 'freshness_worker']) as r (role)
    where
        f.pronamespace = 'freshness'::regnamespace and f.proname like '%pgtap_quote'
        and has_function_privilege(r.role, f.oid, 'execute')
    $$, 'what a registration writes is closed too'
);
select ok(
    not has_table_privilege('freshness_worker', 'public.freshness_pgtap_quotes', 'select, insert, update, delete'),
    'and gives the worker nothing on the data table'
);

set local role service_role;
select lives_ok($$ select * from freshness.key_status $$, 'server code may read the state of keys');
select lives_ok($$ select * from public.data_type_registry_v2 $$, 'and the registry');
select lives_ok(
    $$ select public.check_and_queue_stale_batch_v2('A', '{}') $$, 'and queue by the documents'' functions'
);
select throws_ok($$ select * from freshness.watches $$, '42501', null, 'but not who watches what');
select throws_ok($$ delete from public.data_type_registry_v2 $$, '42501', null, 'nor change the registry');
set local role authenticated;
select throws_ok(
    $$ select freshness.get_or_queue('pgtap_quote', 'A') $$, '42501', null, 'a browser can name nothing in here'
);
set local role anon;
select throws_ok($$ select * from freshness.jobs $$, '42501', null, 'a browser may not read jobs');
select throws_ok($$ select * from public.data_type_registry_v2 $$, '42501', null, 'nor the registry');
reset role;

select * from finish();
rollback;
