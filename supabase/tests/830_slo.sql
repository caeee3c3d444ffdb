begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(10);

delete from freshness.pulls;
delete from freshness.jobs;
delete from freshness.events;
delete from freshness.freshness_samples;
select is_empty('select name from freshness.slo where not ok', 'an empty database keeps all promises');
create function pg_temp.figure(p_name text)
returns text
language sql
as $$ select round(value::numeric, 1) || ' ' || unit || ' ' || ok from freshness.slo where name = p_name $$;

insert into freshness.jobs (data_type, symbol, run_at, stored_at, fresh_until)
select 'pgtap', 'S' || n, now() + interval '1 hour', now(), now() + interval '1 hour' from generate_series(1, 49) as n;
insert into freshness.jobs (data_type, symbol, run_at, stored_at, fresh_until)
values ('pgtap', 'LATE', now() - interval '1 hour', now(), now() - interval '10 seconds');
select is(pg_temp.figure('fresh_now'), '98.0 % true', 'the share of the wanted keys that are fresh');
select is(
    (select array[(value >= 10)::text, about] from freshness.slo where name = 'lateness_worst'),
    array['true', 'pgtap LATE'], 'the worst key is named'
);
insert into freshness.freshness_samples values (now() - interval '2 hours', 100, 50), (now(), 100, 10);
select is(
    array[pg_temp.figure('fresh_last_hour'), pg_temp.figure('fresh_last_day')],
    array['90.0 % true', '70.0 % true'], 'over an hour and a day it is the sweeps'' samples'
);
insert into freshness.events (kind, data_type, symbol, fence, duration, waited, happened_at)
select 'fresh', 'pgtap', 'S' || n, n, interval '1 second', 2, now() - interval '1 minute'
from generate_series(1, 9) as n;
select is(pg_temp.figure('duplicates'), '0.0 refreshes true', 'one refresh after the other is no duplicate');
insert into freshness.events (kind, data_type, symbol, fence, duration, waited, happened_at) values
('fresh', 'pgtap', 'S2', 10, '59 seconds', 3, now()), ('failed', 'pgtap', 'S1', 11, '61 seconds', 3, now());
select is(
    array[pg_temp.figure('duplicates'), pg_temp.figure('queue_success_rate')],
    array['1.0 refreshes false', '90.9 % false'], 'two of a key at once are; ten of eleven are too few'
);
select is(pg_temp.figure('start_delay_p50'), '2.0 s true', 'how long what was due waited for its fetch');
insert into freshness.pulls (due_at, data_type, symbol, reason) values
(now() - interval '5 seconds', 'pgtap', 'NEW', 'watched'), (now() - interval '9 seconds', 'pgtap', 'S1', 'watched');
select is(
    (select (value between 5 and 8)::text || ok from freshness.slo where name = 'job_creation_latency'), 'truefalse',
    'interest that waits for its job counts, what has one does not'
);
delete from freshness.pulls;
insert into freshness.pulls (due_at, subscription_row, reason) values (now() - interval '15 seconds', -1, 'fresh');
select is(pg_temp.figure('job_creation_latency'), '0.0 s true', 'a subscriber to a fresh key can wait for half a minute');
update freshness.pulls set due_at = now() - interval '35 seconds' where subscription_row = -1;
select is(
    (select (value between 9 and 15)::text || ok from freshness.slo where name = 'job_creation_latency'), 'truefalse',
    'and what is longer counts'
);

select * from finish();
rollback;
