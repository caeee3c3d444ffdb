begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select lives_ok($$ select freshness.schedule_sweep() $$, 'the sweep can be scheduled again');
select is(
    freshness.schedule_sweep(), to_regnamespace('cron') is not null, 'it is scheduled where pg_cron is'
);

select * from finish();
rollback;
