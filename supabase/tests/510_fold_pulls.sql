begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness.watches (data_type, symbol, watcher, lease_until)
values ('pgtap_quote', 'A', 'user:1', now() + interval '1 hour');
insert into freshness.pulls (data_type, symbol, reason) values
('pgtap_quote', 'A', 'watched'), ('pgtap_quote', 'A', 'watched'), ('pgtap_quote', 'B', 'data changed'),
('pgtap_quote', null, 'watched'), ('pgtap_nope', 'A', 'watched');
insert into freshness.pulls (subscription_row, reason) values (-1, '55P03');
select ok(freshness.fold_pulls() >= 6, 'the inbox is emptied');
select results_eq(
    $$ select symbol from freshness.jobs where data_type = 'pgtap_quote' $$, $$ values ('A') $$,
    'a key that is watched gets its job, once; what is gone meanwhile is passed over'
);
select is_empty(
    $$ select 1 from freshness.pulls where data_type like 'pgtap%' or subscription_row = -1 $$, 'nothing is left of it'
);
select is(freshness.fold_pulls(0), 0, 'no more are taken than allowed');

insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', 'N' || n, 'user:1', now() + interval '1 hour' from generate_series(1, 5001) as n;
insert into freshness.pulls (data_type, symbol, reason) values
('pgtap_quote', null, 'truncated'), ('pgtap_quote', 'N9999', 'watched');
select is(freshness.fold_pulls(), 2, 'a pull for all keys is folded');
select results_eq(
    $$ select count(*), max(symbol) from freshness.jobs where data_type = 'pgtap_quote' $$,
    $$ values (5000::bigint, 'N997') $$, 'a slice at a time'
);
select results_eq(
    $$ select symbol, reason from freshness.pulls where data_type = 'pgtap_quote' $$,
    $$ values ('N997', 'all keys') $$, 'the rest is left to the next fold'
);
do $$
begin
    perform freshness.fold_pulls();
end
$$;
select results_eq(
    $$
    select count(*), (select count(*) from freshness.pulls where data_type = 'pgtap_quote')
    from freshness.jobs where data_type = 'pgtap_quote'
    $$,
    $$ values (5002::bigint, 0::bigint) $$, 'which ends it'
);
insert into freshness.pulls (data_type, symbol, priority, reason)
values ('pgtap_quote', 'A', 3, 'watched'), ('pgtap_quote', 'A', 7, 'watched'), ('pgtap_quote', 'A', null, 'watched');
do $$
begin
    perform freshness.fold_pulls();
end
$$;
select is(priority::integer, 7, 'a job gets the highest priority that was asked for')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'A';

select * from finish();
rollback;
