begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

create table public.pgtap_quotes (symbol text primary key, fetched_at timestamptz);
create table public.pgtap_secrets (symbol text primary key, fetched_at timestamptz);
revoke all on public.pgtap_quotes, public.pgtap_secrets from public, anon, authenticated;
grant select on public.pgtap_quotes to authenticated;
select lives_ok(
    $$
    select
        freshness.register_data_type('pgtap_quote', 'public.pgtap_quotes', ttl => '1 minute'),
        freshness.register_data_type('pgtap_secret', 'public.pgtap_secrets', ttl => '1 minute')
    $$, 'registered'
);

create temporary table opened on commit drop as
select * from freshness.open_streams(
    array['stream:1', 'stream:1', 'stream:1', 'stream:1', 'stream:2', 'stream:2'],
    array['pgtap_quote', 'pgtap_secret', 'nothing', 'pgtap_quote', 'pgtap_quote', 'pgtap_quote'],
    array['A', 'A', 'A', '', 'A', 'A'],
    array_fill('authenticated'::text, array[6]), '1 minute', 4711
);
select results_eq(
    'select place, symbol, status from opened order by place',
    $$
    values
        (1::bigint, 'A', 'queued'), (2, 'A', 'forbidden'), (3, 'A', 'unknown_data_type'), (4, '', 'invalid_symbol'),
        (5, 'A', 'queued'), (6, 'A', 'queued')
    $$, 'each place has its answer'
);
select is((select count(distinct version) from opened), 1::bigint, 'one look serves all');
select set_eq(
    $$ select data_type, symbol, watcher from freshness.watches where watcher like 'stream:%' $$,
    $$ values ('pgtap_quote', 'A', 'stream:1'), ('pgtap_quote', 'A', 'stream:2') $$, 'each stream is a watch'
);
select set_eq(
    $$ select symbol, priority::integer from freshness.jobs where data_type like 'pgtap%' $$, $$ values ('A', 1) $$,
    'and the key has a job, as urgent as a card''s'
);
select set_eq(
    $$ select data_type, symbol from freshness.listeners where backend = 4711 $$,
    $$ values ('pgtap_quote', 'A') $$, 'of which its process is told'
);
select is_empty(
    $$
    select * from freshness.open_streams('{}', '{}', '{}', '{}', '1 minute', null)
    $$, 'no streams, no answers'
);

select * from finish();
rollback;
