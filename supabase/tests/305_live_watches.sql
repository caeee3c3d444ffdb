begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

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
insert into freshness.watches (data_type, symbol, watcher, lease_until) values
('pgtap_quote', 'A', 'user:1', now() + interval '1 hour'), ('pgtap_quote', 'A', 'user:2', now() + interval '1 hour'),
('pgtap_quote', 'B', 'user:1', now() - interval '1 second');
select results_eq(
    $$ select symbol, viewers from freshness.live_watches('pgtap_quote', array['A', 'B', 'C']) $$,
    $$ values ('A', 2) $$, 'leases that have not ended count'
);
do $$
begin
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "eq", "value": "C", "negate": false}]'
    );
end
$$;
select is(viewers, 1, 'a subscription that lives counts') from freshness.live_watches('pgtap_quote', array['C']);
delete from realtime.subscription where entity = 'freshness_pgtap.quotes'::regclass;
select is_empty(
    $$ select * from freshness.live_watches('pgtap_quote', array['C']) $$, 'one that is gone does not, before any sweep'
);

select * from finish();
rollback;
