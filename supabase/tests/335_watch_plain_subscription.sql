begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create function freshness_pgtap.watched(p_row bigint, p_filters jsonb) returns boolean
language sql as $$
    select freshness.watch_plain_subscription(p_row, gen_random_uuid(), 'freshness_pgtap.quotes', p_filters)
$$;
select ok(
    freshness_pgtap.watched(-1, '[{"column_name": "symbol", "op": "eq", "value": "A", "negate": false}]'),
    'one eq on the symbol column is plain'
);
select results_eq(
    $$ select symbol, watcher, subscription_row from freshness.watches where data_type = 'pgtap_quote' $$,
    $$ values ('A', 'realtime:-1', -1::bigint) $$, 'its watch is recorded'
);
select is(count(*), 1::bigint, 'and its job made') from freshness.jobs where data_type = 'pgtap_quote';
select ok(
    not freshness_pgtap.watched(-2, '[{"column_name": "symbol", "op": "eq", "value": "A", "negate": true}]'),
    'a negated filter is not plain'
);
select ok(
    not freshness_pgtap.watched(-2, '[{"column_name": "symbol", "op": "in", "value": "{A,B}", "negate": false}]'),
    'nor is a list'
);
select ok(not freshness_pgtap.watched(-2, '[]'), 'nor no filter at all');

select ok(
    freshness_pgtap.watched(-3, '[{"column_name": "symbol", "op": "eq", "value": "A", "negate": false}]'),
    'a second subscriber of a key'
);
select results_eq(
    $$ select symbol from freshness.pulls where data_type = 'pgtap_quote' $$, $$ values ('A') $$,
    'leaves its job to the inbox'
);

select * from finish();
rollback;
