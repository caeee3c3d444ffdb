begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(1);

insert into freshness.jobs (data_type, symbol, run_at, stored_at, fresh_until) values
('pgtap', 'FRESH', now(), now(), now() + interval '1 hour'), ('pgtap', 'STALE', now(), now(), now()),
('pgtap', 'MISSING', now(), null, null);
insert into freshness.jobs (data_type, symbol, run_at, state) values ('pgtap', 'FAILED', now(), 'failed');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
values ('pgtap', 'RUNS', now(), 'running', 1, nextval('freshness.fences'), now());
select set_eq(
    $$ select symbol, status from freshness.key_status where data_type = 'pgtap' $$,
    $$
    values ('FRESH', 'fresh'), ('STALE', 'stale'), ('MISSING', 'missing'), ('FAILED', 'failed'), ('RUNS', 'refreshing')
    $$,
    'each key has one of five states'
);

select * from finish();
rollback;
