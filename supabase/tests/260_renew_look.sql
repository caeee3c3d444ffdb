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
insert into freshness_pgtap.quotes values ('A', 1, now());
create function freshness_pgtap.problem() returns text language sql as $$
    select l.problem from freshness.look('pgtap_quote', array['A']) as l
$$;
alter table freshness_pgtap.quotes rename to prices;
select isnt(freshness_pgtap.problem(), null, 'a look goes by the name that its table had');
select is(freshness.renew_look('pgtap_quote'), null, 'it can be written anew');
select is(freshness_pgtap.problem(), null, 'for the name that the table has');
alter table freshness_pgtap.prices rename column fetched_at to at;
select is(
    freshness.renew_look('pgtap_quote'), 'FR002 column "fetched_at" of table freshness_pgtap.prices does not exist',
    'or it says why not'
);
insert into freshness.jobs (data_type, symbol, state, attempts, run_at, not_before) values
('pgtap_quote', 'A', 'failed', 0, now(), now() + interval '1 minute'),
('pgtap_quote', 'B', 'failed', 5, now(), now() + interval '1 hour');
select freshness.release_unreadable('pgtap_quote') \g /dev/null
select results_eq(
    $$ select symbol, state::text, not_before is null from freshness.jobs where data_type = 'pgtap_quote' order by 1 $$,
    $$ values ('A', 'scheduled', true), ('B', 'failed', false) $$,
    'what could not be looked at is released, not what kept failing'
);

select * from finish();
rollback;
