begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

select has_pk('freshness', 'sweeps', 'each sweep is one row');
select throws_ok(
    $$ insert into freshness.sweeps (duration) values (null) $$, '23502', null, 'a sweep says what it did'
);
insert into freshness.sweeps (started_at, duration, watches_mended, jobs_mended, taken_over)
values ('2000-01-01', '1 second', 1, 2, 3);
select is(mended, 6, 'what it mended is counted together') from freshness.sweeps where started_at = '2000-01-01';

select * from finish();
rollback;
