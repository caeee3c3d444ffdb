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
create table freshness_pgtap.dropped (like freshness_pgtap.quotes including all);
do $$
begin
    perform freshness.register_data_type('pgtap_dropped', 'freshness_pgtap.dropped', ttl => '1 minute');
end
$$;
insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_nobody', 'A', now());
insert into freshness.watches (data_type, symbol, watcher, lease_until)
values ('pgtap_nobody', 'A', 'user:1', now() + interval '1 hour');
drop table freshness_pgtap.dropped;
select lives_ok($$ select freshness.forget_unregistered() $$, 'what is left of other data types is removed');
select is_empty(
    $$
    select 1 from freshness.jobs where data_type = 'pgtap_nobody'
    union all select 1 from freshness.watches where data_type = 'pgtap_nobody'
    $$,
    'jobs and watches'
);
select set_eq(
    $$ select data_type from freshness.events where kind = 'error' and data_type like 'pgtap%' $$,
    array['pgtap_dropped'],
    'a data table that was dropped is on record'
);
insert into freshness.jobs (data_type, symbol, run_at, unwatched_at) values
('pgtap_quote', 'OVER', now() - interval '1 minute', now() - interval '2 minutes'),
('pgtap_quote', 'WARM', now() - interval '1 second', now() - interval '1 second'),
('pgtap_quote', 'AGAIN', now() - interval '1 minute', now() - interval '2 minutes');
insert into freshness.watches (data_type, symbol, watcher, lease_until)
values ('pgtap_quote', 'AGAIN', 'user:1', now() + interval '1 hour');
select ok(freshness.drop_unwatched() >= 1, 'a key that nobody wants goes when its keep_warm is over');
select set_eq(
    $$ select symbol from freshness.jobs where data_type = 'pgtap_quote' $$, array['WARM', 'AGAIN'],
    'others stay, and one that is watched again too'
);

select * from finish();
rollback;
