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
create table freshness_pgtap.by_integer (symbol integer primary key, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_integer', 'freshness_pgtap.by_integer', ttl => '1 minute');
    perform freshness.watch(array['pgtap_integer'], array['7'], 'user:1');
    perform freshness.watch(array['pgtap_integer'], array['8'], 'user:2');
end
$$;
select is(freshness.unwatch(array['pgtap_integer', 'nope'], array['007', 'A'], 'user:1'), 1, 'a lease can be given up');
select is(freshness.unwatch(array['pgtap_integer'], array['8'], 'user:1'), 0, 'but not somebody else''s');

select * from finish();
rollback;
