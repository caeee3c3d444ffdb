begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

select ok((freshness.sweep()).id is not null, 'a sweep in one transaction');
select ok(not freshness.sweep_if_due('1 hour'), 'a worker does not sweep when somebody just did');
select ok(freshness.sweep_if_due('0'), 'but when it is due');

select * from finish();
rollback;
