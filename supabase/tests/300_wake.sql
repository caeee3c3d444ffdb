begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

select lives_ok($$ select freshness.wake('pgtap_quote', clock_timestamp()) $$, 'with nobody asleep nobody is woken');
select lives_ok($$ select freshness.wake(null, 'infinity') $$, 'nobody is woken for never');
select lives_ok($$ select freshness.wake('pgtap_quote', null) $$, 'nor for nothing');

select * from finish();
rollback;
