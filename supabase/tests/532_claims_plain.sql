begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create view freshness_pgtap.statement as
select freshness.claims_plain(t) as text from freshness.data_types as t where t.name = 'pgtap_quote';
select matches(text, 'update freshness.jobs', 'jobs are set running') from freshness_pgtap.statement;
select matches(text, 'from freshness_pgtap.quotes as r', 'as the table says') from freshness_pgtap.statement;
drop table freshness_pgtap.quotes;
select throws_ok('select * from freshness_pgtap.statement', 'FR002', null, 'which has to be there');

select * from finish();
rollback;
