begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour');
do $$
begin
    perform freshness.schedule_key('pgtap_quote', 'FRESH'), freshness.schedule_key('pgtap_quote', 'OLD', 3);
end
$$;
select is(run_at, now() + interval '1 minute', 'a fresh key is due when its row goes stale')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'FRESH';
select ok(run_at <= clock_timestamp() and priority = 3, 'a stale one is due now, with the priority asked for')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'OLD';
select is_empty($$ select 1 from freshness.pulls where data_type = 'pgtap_quote' $$, 'new jobs need no pull');
do $$
begin
    perform freshness.schedule_key('pgtap_quote', 'FRESH');
end
$$;
select results_eq(
    $$ select symbol from freshness.pulls where data_type = 'pgtap_quote' $$, $$ values ('FRESH') $$,
    'a job that exists is left to the inbox'
);

select * from finish();
rollback;
