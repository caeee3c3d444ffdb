begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

select ok(
    (select bool_and(freshness.backoff(1) between '0.5 seconds' and '1 second') from generate_series(1, 50)),
    'a first wait is up to a second'
);
select ok(
    (select bool_and(freshness.backoff(1000000) between '150 seconds' and '5 minutes') from generate_series(1, 50)),
    'a late one up to five minutes'
);

select * from finish();
rollback;
