begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select has_pk('freshness', 'sweeps', 'each sweep is one row');
select throws_ok(
    $$ insert into freshness.sweeps (duration) values ('1 second') $$, '23502', null, 'a sweep says what it did'
);

select * from finish();
rollback;
