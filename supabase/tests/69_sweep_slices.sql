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
insert into freshness.watches (data_type, symbol, watcher, lease_until)
values ('pgtap_quote', 'A', 'user:1', now() + interval '1 hour');
insert into freshness.jobs (data_type, symbol, run_at, viewers) values ('pgtap_quote', 'LEFT', now(), 0);
select is(
    freshness.sweep_keys('pgtap_quote', array['A', 'LEFT'], false)::text, '(1,1,0,0)', 'a slice says what was to do'
);
select is(freshness.sweep_keys('pgtap_quote', array['A', 'LEFT'], false)::text, '(0,0,0,0)', 'and once more nothing');
select is(freshness.sweep_subscriptions('{}', true)::text, '(0,0)', 'no subscriptions, nothing to do');

select * from finish();
rollback;
