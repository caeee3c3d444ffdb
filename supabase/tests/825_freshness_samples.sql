begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

delete from freshness.jobs;
insert into freshness.jobs (data_type, symbol, run_at, stored_at, fresh_until) values
('pgtap', 'FRESH', now(), now(), now() + interval '1 hour'),
('pgtap', 'STALE', now(), now(), now() - interval '1 minute');
insert into freshness.jobs (data_type, symbol, run_at, unwatched_at) values ('pgtap', 'LEFT', now(), now());
insert into freshness.freshness_samples values (now() - interval '8 days', 1, 1);
insert into freshness.sweeps (duration, watches_ended, watches_mended, jobs_mended, taken_over)
values ('1 ms', 0, 0, 0, 0);
select results_eq(
    'select wanted, late from freshness.freshness_samples order by taken_at desc limit 1', 'values (2, 1)',
    'a sweep leaves a sample of the keys that somebody wants'
);
select is_empty(
    $$ select from freshness.freshness_samples where taken_at < now() - interval '7 days' $$, 'old ones go away'
);
select lives_ok('select freshness.sweep()', 'the sweep itself takes one');

select * from finish();
rollback;
