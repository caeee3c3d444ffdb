begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(1);

select ok(freshness.begin_sweep(), 'a sweep may begin when no other one is under way');

select * from finish();
rollback;
