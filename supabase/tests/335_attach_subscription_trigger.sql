begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select ok(freshness.attach_subscription_trigger(), 'the trigger can be put back');
select has_trigger('realtime', 'subscription', 'on_realtime_subscription_insert_trigger', 'and is there');

select * from finish();
rollback;
