begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(1);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select results_eq(
    $$
    select table_name, staleness_function, timestamp_column, default_ttl_minutes
    from public.data_type_registry_v2 where data_type = 'pgtap_quote'
    $$,
    $$ values ('freshness_pgtap.quotes', 'public.is_data_stale_v2', 'fetched_at', 1) $$,
    'the registry has the documents'' columns'
);

select * from finish();
rollback;
