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

select ok(
    not a = any (d.plain || d.others), 'one whose watch is right is passed over'
)
from freshness_pgtap.made, freshness.differing_subscriptions() as d;
select ok(b = any (d.others), 'one with several symbols is always read')
from freshness_pgtap.made, freshness.differing_subscriptions() as d;
update freshness.watches set symbol = 'X' where data_type = 'pgtap_quote' and symbol = 'A';
select ok(a = any (d.others), 'and so is one whose watch is wrong')
from freshness_pgtap.made, freshness.differing_subscriptions() as d;
delete from freshness.watches where data_type = 'pgtap_quote';
select ok(
    a = any (d.plain) and not a = any (d.others), 'one with a single symbol and no watch is plain'
)
from freshness_pgtap.made, freshness.differing_subscriptions() as d;
insert into freshness.pulls (subscription_row, reason) select a, 'fresh' from freshness_pgtap.made;
select ok(not a = any (d.plain || d.others), 'one that is in the inbox is left to it')
from freshness_pgtap.made, freshness.differing_subscriptions() as d;
delete from freshness.pulls where subscription_row is not null;
select ok(not b = any (d.plain), 'one with several symbols never is')
from freshness_pgtap.made, freshness.differing_subscriptions() as d;
select matches(freshness.plain_symbol(), 'negate', 'whether a filter is negated is asked where filters can be');
create table freshness_pgtap.negated as
select jsonb_populate_record(
    null::realtime.user_defined_filter,
    '{"column_name": "symbol", "op": "eq", "value": "A", "negate": true}'
) as filter;
create table freshness_pgtap.named (symbol text);
do $$
begin
    execute format(
        'insert into freshness_pgtap.named select %s from freshness_pgtap.negated as s, freshness.data_types as t'
        ' where t.name = %L', freshness.plain_symbol(), 'pgtap_quote'
    );
end
$$;
select is(symbol, null, 'a negated one names no symbol') from freshness_pgtap.named;

select * from finish();
rollback;
