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
create function freshness_pgtap.subscribe(p_operator text, p_value text) returns bigint
language sql
as $$
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    select
        gen_random_uuid(), 'freshness_pgtap.quotes',
        array[jsonb_populate_record(
            null::realtime.user_defined_filter,
            jsonb_build_object('column_name', 'symbol', 'op', p_operator, 'value', p_value, 'negate', false)
        )],
        '{"role": "authenticated"}'
    returning id
$$;
create table freshness_pgtap.made as
select freshness_pgtap.subscribe('eq', 'A') as a, freshness_pgtap.subscribe('in', '{B,C}') as b;

update freshness.watches set symbol = 'X' where data_type = 'pgtap_quote' and symbol = 'A';
delete from freshness.watches where data_type = 'pgtap_quote' and symbol = 'C';
select is(freshness.mend_watches(array[a, b]), 3, 'a wrong watch goes, and missing ones come')
from freshness_pgtap.made;
select set_eq(
    $$ select symbol from freshness.watches where data_type = 'pgtap_quote' $$, array['A', 'B', 'C'],
    'then they are what the filters say'
);
select is(freshness.mend_watches(array[a, b]), 0, 'and nothing is left to mend') from freshness_pgtap.made;

delete from freshness.watches where data_type = 'pgtap_quote';
select is(freshness.watch_plain_subscriptions(array[a, b]), 1, 'of those without a watch the plain ones get it at once')
from freshness_pgtap.made;
select set_eq(
    $$ select symbol, watcher, subscription_row, lease_until from freshness.watches where data_type like 'pgtap%' $$,
    $$ select 'A' as s, 'realtime:' || a as w, a, null::timestamptz from freshness_pgtap.made $$, 'as it needs'
);
select is(freshness.watch_plain_subscriptions(array[a, b]), 0, 'and no second one') from freshness_pgtap.made;
update freshness.watches set subscription_row = -1 where data_type = 'pgtap_quote';
select is(s::text, '(1,0)', 'one that stands under another subscription is put right')
from freshness_pgtap.made, freshness.sweep_subscriptions(array[a], true) as s;

select * from finish();
rollback;
