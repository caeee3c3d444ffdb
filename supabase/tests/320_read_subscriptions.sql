begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create function freshness_pgtap.is_listed(text) returns boolean language plpgsql as $$ begin return true; end $$;
create domain freshness_pgtap.listed as text check (freshness_pgtap.is_listed(value));
create table freshness_pgtap.quotes (symbol freshness_pgtap.listed primary key, price numeric, fetched_at timestamptz);
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
select freshness_pgtap.subscribe(
    'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "in", "value": "{A,B}", "negate": false}]'
) as id;
select set_eq(
    $$ select data_type, symbol from freshness.read_subscriptions(array(select id from freshness_pgtap.subscribed)) $$,
    $$ values ('pgtap_quote', 'A'), ('pgtap_quote', 'B') $$, 'the keys that it names'
);
create or replace function freshness_pgtap.is_listed(text) returns boolean language plpgsql
as $$ begin raise 'not listed'; end $$;
select throws_ok(
    $$ select freshness.read_subscriptions(array(select id from freshness_pgtap.subscribed)) $$, 'P0001', 'not listed',
    'what cannot be read is an error'
);

select * from finish();
rollback;
