begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select lives_ok($$ select freshness.wake(clock_timestamp()) $$, 'a worker is woken for what is due now');
select lives_ok($$ select freshness.wake('infinity') $$, 'nobody is woken for never');

select * from finish();
rollback;
