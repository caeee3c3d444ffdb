begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

delete from freshness.sleepers;
delete from freshness.workers;
select ok(not freshness.somebody_works(), 'nobody works');
insert into freshness.workers (name, heartbeat_limit) values ('pgtap', '15 seconds');
select ok(freshness.somebody_works(), 'a worker that was just seen does');
update freshness.workers set seen_at = now() - interval '1 hour';
insert into freshness.sleepers (channel, worker, data_types, listener, asleep_until, looked_at)
select 'pgtap', w.id, '{pgtap}', 1, 'infinity', now() from freshness.workers as w;
select ok(freshness.somebody_works(), 'one that sleeps is heard of by its looks');

select * from finish();
rollback;
