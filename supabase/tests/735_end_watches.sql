begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

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
do $$
begin
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "eq", "value": "LIVES", "negate": false}]'
    );
    perform freshness.watch(array['pgtap_quote', 'pgtap_quote'], array['ENDED', 'LEASED'], 'user:1');
end
$$;
update freshness.watches set lease_until = now() where symbol = 'ENDED';
insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
values ('pgtap_quote', 'GONE', 'realtime:-1', -1, gen_random_uuid());
select ok(freshness.end_watches() >= 2, 'leases that have ended and watches without a subscription are removed');
select set_eq(
    $$ select symbol from freshness.watches where data_type like 'pgtap%' $$, array['LIVES', 'LEASED'],
    'the others are not'
);

select * from finish();
rollback;
