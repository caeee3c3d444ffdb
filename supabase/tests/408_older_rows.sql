begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 hour');
end
$$;
insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_quote', 'WATCHED', now() + interval '1 hour');
delete from freshness.pulls where data_type like 'pgtap%';
select is(
    (select count(*) from generate_series(1, 500) as n where freshness.are_too_many('pgtap_quote', 'WATCHED')), 0::bigint,
    '500 rows of a transaction that became older are judged'
);
select ok(
    freshness.are_too_many('pgtap_quote', 'WATCHED') and freshness.are_too_many('pgtap_quote', 'NOBODY'), 'the next are not'
);
select results_eq(
    $$ select symbol, reason from freshness.pulls where data_type = 'pgtap_quote' $$,
    $$ values ('WATCHED', 'data changed') $$, 'but their keys are left to the fold, if they have a job'
);
do $$
begin
    perform freshness.are_too_many('pgtap_quote', 'NOBODY') from generate_series(503, 10100);
end
$$;
select results_eq(
    $$ select symbol, reason from freshness.pulls where data_type = 'pgtap_quote' and symbol is null $$,
    $$ values (null::text, 'all keys') $$, 'and of very many all keys are looked at, which is said once'
);
select ok(not freshness.are_too_many('pgtap_other', 'A'), 'each data type is counted by itself');

select * from finish();
rollback;
