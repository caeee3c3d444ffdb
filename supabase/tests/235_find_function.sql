begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

select is(
    freshness.find_function('pg_catalog.date_trunc', 'text,timestamptz', 'timestamptz', 'deadline'),
    'pg_catalog.date_trunc', 'a function is found by its arguments'
);
select is(freshness.find_function(null, 'text', 'text', 'deadline'), null, 'no function is asked for, none is found');
select throws_ok(
    $$ select freshness.find_function('public.nope', 'timestamptz,interval', 'timestamptz', 'deadline') $$, 'FR002',
    'function public.nope(timestamptz,interval) that returns timestamp with time zone does not exist',
    'a function that is missing is named'
);
select throws_ok(
    $$ select freshness.find_function('pg_catalog.date_trunc', 'text,timestamptz', 'boolean', 'staleness') $$, 'FR002',
    null, 'so is one with another result'
);
select throws_ok(
    $$ select freshness.find_function('public."nope', 'text', 'timestamptz', 'not_before') $$, 'FR002', null,
    'and one whose name is none'
);

select * from finish();
rollback;
