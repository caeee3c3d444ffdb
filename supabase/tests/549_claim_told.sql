begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
insert into freshness.jobs (data_type, symbol, run_at, requested_at)
select 'pgtap_quote', s, now() - interval '1 second', now() from unnest(array['A', 'B']) as s;
delete from freshness.pulls;
delete from freshness.events;
insert into freshness.listeners (data_type, symbol, backend, is_told_of_starts)
values ('pgtap_quote', 'A', pg_backend_pid(), true), ('pgtap_quote', 'B', pg_backend_pid(), false);
select is(count(*), 2::bigint, 'all are claimed')
from freshness_pgtap.worker as w cross join lateral freshness.claim(w.id, '{pgtap_quote}', 5) as c;
select results_eq(
    $$ select e.kind, e.symbol, e.fence, e.waited from freshness.events as e $$,
    $$ select 'refreshing', j.symbol, j.fence, j.waited from freshness.jobs as j where j.symbol = 'A' $$,
    'the start of the one that somebody is told of is on record'
);

select * from finish();
rollback;
