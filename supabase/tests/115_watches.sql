begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

select col_is_pk(
    'freshness', 'watches', array['data_type', 'symbol', 'watcher'], 'a watcher watches a key once'
);
select lives_ok(
    $$
    insert into freshness.watches (data_type, symbol, watcher, lease_until) values ('pgtap', 'A', 'user:1', now())
    $$,
    'a watch is a lease with an end'
);
select lives_ok(
    $$
    insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
    values ('pgtap', 'A', 'realtime:1', 1, gen_random_uuid())
    $$,
    'or a Realtime subscription'
);
select throws_ok(
    $$ insert into freshness.watches (data_type, symbol, watcher) values ('pgtap', 'A', 'user:2') $$, '23514', null,
    'a watch that never ends is refused'
);
select throws_ok(
    $$
    insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id, lease_until)
    values ('pgtap', 'A', 'both', 1, gen_random_uuid(), now())
    $$, '23514', null,
    'a watch is not both'
);
select throws_ok(
    $$
    insert into freshness.watches (data_type, symbol, watcher, subscription_row) values ('pgtap', 'A', 'realtime:2', 2)
    $$, '23514', null,
    'a subscription is known by both its ids'
);
select is_empty(
    $$ select 1 from pg_constraint where contype = 'f' and conrelid = 'freshness.watches'::regclass $$,
    'no foreign key stands in the way of Realtime''s own migrations'
);

select * from finish();
rollback;
