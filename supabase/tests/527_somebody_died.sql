begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

delete from freshness.workers;
update freshness.jobs set state = 'scheduled', worker = null, fence = null, started_at = null where state = 'running';
insert into freshness.workers (name, heartbeat_limit) values ('pgtap', '15 seconds');
create function pg_temp.worker() returns bigint
language sql as $$ select id from freshness.workers where name = 'pgtap' $$;

select ok(not freshness.somebody_died(), 'nobody has died who is heard of');
update freshness.workers set seen_at = now() - interval '1 hour';
select ok(not freshness.somebody_died(), 'nor who runs nothing and is silent');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
values ('pgtap_none', 'A', now(), 'running', pg_temp.worker(), 1, now());
select ok(not freshness.somebody_died(), 'who was handed something has its time from then on');
update freshness.jobs set started_at = now() - interval '16 seconds' where data_type = 'pgtap_none';
select ok(freshness.somebody_died(), 'who runs something has to be heard of');
update freshness.workers set seen_at = clock_timestamp();
select ok(not freshness.somebody_died(), 'and is alive when it is');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
values ('pgtap_none', 'B', now(), 'running', pg_temp.worker() + 1000, 2, now());
select ok(freshness.somebody_died(), 'a worker that is not on the list is dead');
delete from freshness.jobs where symbol = 'B' and data_type = 'pgtap_none';
update freshness.workers set seen_at = clock_timestamp() + interval '1 hour';
select ok(freshness.somebody_died(), 'one that was seen in the future is looked at');

select * from finish();
rollback;
