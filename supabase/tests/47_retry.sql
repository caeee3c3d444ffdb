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
insert into freshness.jobs (data_type, symbol, run_at, not_before, state, attempts) values
('pgtap_quote', 'OLD', now(), now() + interval '1 hour', 'failed', 5);
select ok(freshness.retry('pgtap_quote', 'OLD'), 'a key that is held back can be released');
select ok(due_at <= clock_timestamp() and attempts = 0, 'it is due then')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'OLD';
select ok(not freshness.retry('pgtap_quote', 'NEVER SEEN'), 'a key without a job cannot');

select * from finish();
rollback;
