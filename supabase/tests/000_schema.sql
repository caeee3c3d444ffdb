begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

select has_schema('freshness', 'there is a schema of our own');
select schema_owner_is('freshness', current_user, 'it belongs to the role that applies the migrations');
select ok(obj_description('freshness'::regnamespace) is not null, 'it says what it is for');
select ok(not has_schema_privilege('anon', 'freshness', 'usage'), 'anon cannot reach it');
select ok(not has_schema_privilege('authenticated', 'freshness', 'usage'), 'a signed-in user cannot reach it');
select ok(not has_schema_privilege('anon', 'freshness', 'create'), 'nobody else creates objects in it');

select * from finish();
rollback;
