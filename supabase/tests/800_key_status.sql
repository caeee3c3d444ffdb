begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

insert into freshness.jobs (data_type, symbol, run_at, stored_at, fresh_until) values
('pgtap', 'FRESH', now(), now() - interval '1 minute', now() + interval '1 hour'),
('pgtap', 'STALE', now() - interval '1 hour', now() - interval '2 hours', now() - interval '1 minute'),
('pgtap', 'CAME LATER', now() - interval '5 seconds', now(), now() - interval '1 year'),
('pgtap', 'MISSING', now() - interval '3 seconds', null, null),
('pgtap', 'NO ROWS', now() + interval '1 hour', null, null),
('pgtap', 'SLEEPS', now() + interval '1 hour', now(), now() - interval '7 seconds');
insert into freshness.jobs (data_type, symbol, run_at, state) values ('pgtap', 'FAILED', now(), 'failed');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
values ('pgtap', 'RUNS', 'infinity', 'running', 1, nextval('freshness.fences'), now());
insert into freshness.jobs (data_type, symbol, run_at, stored_at, fresh_until, unwatched_at)
values ('pgtap', 'LEFT', now(), now(), now() - interval '1 minute', now());
select set_eq(
    $$ select symbol, status from freshness.key_status where data_type = 'pgtap' $$,
    $$
    values ('FRESH', 'fresh'), ('STALE', 'stale'), ('MISSING', 'missing'), ('FAILED', 'failed'), ('RUNS', 'refreshing'),
    ('CAME LATER', 'stale'), ('SLEEPS', 'stale'), ('NO ROWS', 'missing'), ('LEFT', 'stale')
    $$,
    'each key has one of five states'
);
create function pg_temp.seconds(p_symbol text)
returns integer
language sql
as $$
    select extract(epoch from lateness)::integer
    from freshness.key_status where data_type = 'pgtap' and symbol = p_symbol
$$;
select is(pg_temp.seconds('STALE'), 60, 'lateness counts from when the data went stale');
select is(pg_temp.seconds('CAME LATER'), 5, 'or from when somebody came');
select is(pg_temp.seconds('SLEEPS'), 7, 'a job that waits for too late a moment hides nothing');
select is(pg_temp.seconds('MISSING'), 3, 'also where there is no data');
select is(pg_temp.seconds('NO ROWS'), null, 'but not where the source has none');
select is(
    array[pg_temp.seconds('FRESH'), pg_temp.seconds('LEFT')], array[null, null]::integer[],
    'fresh keys are not late, nor those that nobody wants'
);
select is(
    (select extract(epoch from age)::integer from freshness.key_status where data_type = 'pgtap' and symbol = 'FRESH'),
    60, 'the age counts from what is stored'
);

select * from finish();
rollback;
