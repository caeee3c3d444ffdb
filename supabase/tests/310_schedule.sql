begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

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
    perform freshness.schedule('pgtap_quote', array['FRESH', 'OLD', 'MISSING', 'it''s, "é"'], 3);
end
$$;
select set_eq(
    $$
    select symbol, run_at <= clock_timestamp(), priority::integer from freshness.jobs where data_type = 'pgtap_quote'
    $$,
    $$ values ('FRESH', false, 3), ('OLD', true, 3), ('MISSING', true, 3), ('it''s, "é"', true, 3) $$,
    'stale and missing keys are due now, fresh ones at their deadline'
);
select is(run_at, now() + interval '1 minute', 'the deadline is a ttl after the timestamp')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'FRESH';
select is_empty($$ select 1 from freshness.pulls where data_type = 'pgtap_quote' $$, 'new jobs need no pull');
create table freshness_pgtap.before as select * from freshness.jobs where data_type = 'pgtap_quote';
do $$
begin
    perform freshness.schedule('pgtap_quote', array['FRESH', 'NEW'], 9);
end
$$;
select set_eq(
    $$ select j.* from freshness.jobs as j where j.data_type = 'pgtap_quote' and j.symbol <> 'NEW' $$,
    $$ select * from freshness_pgtap.before $$, 'a job that exists is not touched'
);
select results_eq(
    $$ select symbol, priority::integer from freshness.pulls where data_type = 'pgtap_quote' $$, $$ values ('FRESH', 9) $$,
    'its key is left in the inbox, with the priority'
);

select * from finish();
rollback;
