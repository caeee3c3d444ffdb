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
insert into freshness.jobs (data_type, symbol, priority, run_at)
values ('pgtap_quote', 'A', 1, now()), ('pgtap_quote', 'B', 5, now()), ('pgtap_quote', 'C', 1, now());
insert into freshness.pulls (data_type, symbol, priority, reason) values
('pgtap_quote', 'A', 3, 'watched'), ('pgtap_quote', 'A', 7, 'watched'), ('pgtap_quote', 'B', 3, 'watched'),
('pgtap_quote', 'C', null, 'watched'), ('pgtap_other', 'C', 9, 'watched');
do $$
begin
    perform freshness.raise_priorities('pgtap_quote', array(select p from freshness.pulls as p));
end
$$;
select results_eq(
    $$ select symbol, priority::integer from freshness.jobs where data_type = 'pgtap_quote' order by symbol $$,
    $$ values ('A', 7), ('B', 5), ('C', 1) $$, 'a job gets the highest priority that was asked for, and never a lower'
);
select is(
    (select count(*)::integer from freshness.pulls where data_type = 'pgtap_quote' and reason = 'locked'), 0,
    'nothing is left to do'
);

select * from finish();
rollback;
