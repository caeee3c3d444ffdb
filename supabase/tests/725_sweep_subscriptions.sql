begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select is(freshness.sweep_subscriptions('{}', true)::text, '(0,0)', 'no subscriptions, nothing to do');
select is(freshness.sweep_subscriptions('{-1}', false)::text, '(0,0)', 'nor for one that is gone');

select * from finish();
rollback;
