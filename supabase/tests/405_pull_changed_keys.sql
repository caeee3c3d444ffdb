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
insert into freshness_pgtap.quotes values ('A', 1, now());
insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_quote', 'A', now() + interval '1 minute');
create function freshness_pgtap.pulled(p_newest timestamptz[]) returns text[]
language plpgsql as $$
declare
    v_symbols text[];
begin
    perform freshness.pull_changed_keys('pgtap_quote', array['A', 'NO JOB'], p_newest);
    with taken as (delete from freshness.pulls where data_type = 'pgtap_quote' returning symbol)

    select coalesce(array_agg(t.symbol), '{}') into v_symbols from taken as t;
    return v_symbols;
end
$$;
select is(
    freshness_pgtap.pulled(array[now() + interval '1 second', null]), '{A}',
    'a key whose newest row was taken away is pulled, if it has a job'
);
select is(freshness_pgtap.pulled(array[now(), null]), '{}', 'one that still has a row as new is not');
select is(freshness_pgtap.pulled(array[null, null]::timestamptz[]), '{A}', 'one of which nothing is known is');
select is(freshness_pgtap.pulled(null), '{}', 'rows that only arrived count when the job waits for too late a moment');

select * from finish();
rollback;
