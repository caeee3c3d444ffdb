begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

set local timezone = 'UTC';
select is(freshness.moment_in_words('infinity'), 'never', 'infinity has a word');
select is(freshness.moment_in_words('2020-01-02 03:04:05+00'), '2020-01-02 03:04:05', 'another day is named');
select is(
    freshness.moment_in_words(date_trunc('day', now()) + interval '1 hour'), '01:00:00', 'today it is the time alone'
);
select is(
    freshness.next_in_words(null, null, 0, null), 'nobody watches it or has asked for it, so nothing will be fetched',
    'without a job nothing happens'
);

select * from finish();
rollback;
