begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(12);

create table public.pgtap_quotes (symbol text primary key, fetched_at timestamptz);
select lives_ok(
    $$ select freshness.register_data_type('pgtap_quote', 'public.pgtap_quotes', ttl => '1 minute') $$, 'registered'
);
insert into public.pgtap_quotes values ('A', clock_timestamp()), ('B', clock_timestamp() - interval '1 hour');

create function pg_temp.status(p_symbol text) returns text language sql as $$
    select s.status from freshness.stream_states(array['pgtap_quote'], array[p_symbol]) as s
$$;
select is(pg_temp.status('A'), 'fresh', 'what is stored and new is fresh');
select is(pg_temp.status('B'), 'queued', 'what is stale is to be fetched');
select is(pg_temp.status('C'), 'queued', 'and so is what is not there');
select is_empty(
    $$ select * from freshness.stream_states(array['nothing'], array['A']) $$, 'an unknown data type has no states'
);

insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_quote', 'A', now()), ('pgtap_quote', 'B', now());
update freshness.jobs set required_as_of = now() where data_type = 'pgtap_quote' and symbol = 'A';
select is(pg_temp.status('A'), 'queued', '"refresh now" is open');
update freshness.jobs set not_before = now() + interval '1 hour' where data_type = 'pgtap_quote';
select is(pg_temp.status('B'), 'queued', 'what waits for its market has not failed');
update freshness.jobs set attempts = 1 where data_type = 'pgtap_quote';
select is(pg_temp.status('B'), 'failed', 'what is held back after failing has');
update freshness.jobs set state = 'running', worker = 1, fence = 1, started_at = now()
where data_type = 'pgtap_quote' and symbol = 'B';
select is(pg_temp.status('B'), 'refreshing', 'what is being fetched is refreshing');

create function pg_temp.version() returns bigint language sql as $$
    select max(s.version) from freshness.follow_keys(array['pgtap_quote'], array['A'], 4711) as s
$$;
insert into freshness.events (kind, data_type, symbol) values ('fresh', 'pgtap_quote', 'A');
create temporary table looked on commit drop as select pg_temp.version() as version;
select cmp_ok(
    (select version from looked), '>', (select max(e.id) from freshness.events as e),
    'a version is greater than those of what has happened'
);
insert into freshness.events (kind, data_type, symbol) values ('fresh', 'pgtap_quote', 'A');
select cmp_ok(
    (select version from looked), '<', (select max(e.id) from freshness.events as e), 'and less than of what comes'
);
select set_eq(
    $$ select symbol, is_told_of_starts from freshness.listeners where backend = 4711 $$, $$ values ('A', true) $$,
    'who follows a key is told of its starts too'
);

select * from finish();
rollback;
