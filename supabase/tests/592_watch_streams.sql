begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create table public.pgtap_quotes (symbol text primary key, fetched_at timestamptz);
select lives_ok(
    $$ select freshness.register_data_type('pgtap_quote', 'public.pgtap_quotes', ttl => '1 minute', priority => 4) $$,
    'registered'
);
select freshness.watch_streams(
    array['stream:1', 'stream:1', 'stream:2'], array['pgtap_quote', 'pgtap_quote', 'nothing'], array['A', 'A', 'A'],
    '1 minute'
);
select set_eq(
    $$ select data_type, symbol, watcher from freshness.watches where watcher like 'stream:%' $$,
    $$ values ('pgtap_quote', 'A', 'stream:1') $$, 'a key that is named twice is one watch'
);
select set_eq(
    $$ select symbol, priority::integer from freshness.jobs where data_type = 'pgtap_quote' $$,
    $$ values ('A', 4) $$, 'and one job, as urgent as its data type'
);
select freshness.lease_streams(array['stream:1'], array['pgtap_quote'], array['A'], '1 hour');
select cmp_ok(
    (select w.lease_until from freshness.watches as w where w.watcher = 'stream:1'),
    '>', clock_timestamp() + interval '59 minutes', 'a longer lease takes the place of a shorter one'
);

select * from finish();
rollback;
