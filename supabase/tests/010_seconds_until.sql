begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

select ok(
    freshness.seconds_until(clock_timestamp() + interval '1 minute') between 50 and 60,
    'a moment ahead is that many seconds away'
);
select ok(
    freshness.seconds_until(clock_timestamp() - interval '1 minute') between -70 and -60,
    'one that has passed is negative'
);
select is(freshness.seconds_until('infinity'), null, 'never is no number');
select is(freshness.seconds_until(null), null, 'nor is unknown');

select * from finish();
rollback;
