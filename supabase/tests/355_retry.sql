begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

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
insert into freshness.jobs (data_type, symbol, run_at, not_before, state, attempts, last_error) values
('pgtap_quote', 'FAILED', now(), now() + interval '1 hour', 'failed', 5, 'no'),
('pgtap_quote', 'HELD', now(), now() + interval '1 minute', 'scheduled', 1, 'no'),
('pgtap_quote', 'CLOSED', now(), now() + interval '1 hour', 'scheduled', 0, null);
select is(freshness.retry('pgtap_quote'), 2::bigint, 'all keys of a data type can be released');
select is_empty(
    $$
    select 1 from freshness.jobs
    where data_type = 'pgtap_quote' and symbol in ('FAILED', 'HELD') and due_at > clock_timestamp()
    $$,
    'they are due then'
);
select throws_ok(
    $$ select freshness.retry('pgtap_nope') $$, 'FR001', 'data type pgtap_nope is not registered',
    'a data type that does not exist is named'
);

select * from finish();
rollback;
