begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create function freshness_pgtap.subscribe(p_table regclass, p_filters jsonb)
returns bigint
language sql
as $$
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    select
        gen_random_uuid(), p_table,
        array(
            select jsonb_populate_record(null::realtime.user_defined_filter, f)
            from jsonb_array_elements(p_filters) as f
        ),
        '{"role": "authenticated"}'
    returning id
$$;
create table freshness_pgtap.subscribed as
select
    freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "in", "value": "{A,B}", "negate": false}]'
    ) as symbols,
    freshness_pgtap.subscribe('freshness_pgtap.quotes', '[]') as nothing;
delete from freshness.watches where data_type = 'pgtap_quote';
delete from freshness.jobs where data_type = 'pgtap_quote';
delete from freshness.events where data_type = 'pgtap_quote';

select is(
    (select freshness.watch_subscriptions(array[symbols, nothing]) from freshness_pgtap.subscribed), 2,
    'each key that a subscription names is watched'
);
select set_eq(
    $$
    select w.symbol, (w.watcher, w.subscription_id) = ('realtime:' || w.subscription_row, s.subscription_id)
    from freshness.watches as w
    join freshness_pgtap.subscribed as k on k.symbols = w.subscription_row
    join realtime.subscription as s on s.id = k.symbols
    $$,
    $$ values ('A', true), ('B', true) $$, 'the watch names its row'
);
select set_eq(
    $$ select symbol from freshness.jobs where data_type = 'pgtap_quote' $$, array['A', 'B'], 'each key gets its job'
);
select results_eq(
    $$ select kind from freshness.events where data_type = 'pgtap_quote' $$, $$ values ('ignored') $$,
    'a subscription that names no key is noted'
);
select is(
    (select freshness.watch_subscriptions(array[symbols]) from freshness_pgtap.subscribed), 0,
    'a second time nothing is new'
);
update freshness.watches set subscription_id = gen_random_uuid() where data_type = 'pgtap_quote';
select is(
    (select freshness.watch_subscriptions(array[symbols]) from freshness_pgtap.subscribed), 2,
    'a later subscription with the id of an earlier one takes its place'
);
select is(freshness.watch_subscriptions('{}'), 0, 'no rows, no keys');

select * from finish();
rollback;
