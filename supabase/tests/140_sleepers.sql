begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select is(
    (select relpersistence::text from pg_class where oid = 'freshness.sleepers'::regclass), 'u',
    'arming waits for no flush'
);
select col_is_pk('freshness', 'sleepers', 'channel', 'a channel has one sleeper');

select * from finish();
rollback;
