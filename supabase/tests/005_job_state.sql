begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(1);

select enum_has_labels(
    'freshness', 'job_state', array['scheduled', 'running', 'failed'],
    'a job is scheduled, running or failed; whether it is pending is told by the clock'
);

select * from finish();
rollback;
