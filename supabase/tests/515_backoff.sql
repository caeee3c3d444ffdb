begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

select ok(
    (
        select bool_and(freshness.backoff(1, '1 second', '5 minutes') between '0.5 seconds' and '1 second')
        from generate_series(1, 50)
    ),
    'a first wait is up to the first'
);
select ok(
    (
        select bool_and(freshness.backoff(1000000, '1 second', '5 minutes') between '150 seconds' and '5 minutes')
        from generate_series(1, 50)
    ),
    'a late one up to the longest'
);

select ok(
    (
        select bool_and(freshness.backoff(3, '2 seconds', '1 hour') between '4 seconds' and '8 seconds')
        from generate_series(1, 50)
    ),
    'it doubles from the first, as the data type says'
);
create table pg_temp.quotes (symbol text primary key, fetched_at timestamptz);
create function pg_temp.wait(p_stale_for interval) returns interval
language sql as $$
    select freshness.stale_wait(t, clock_timestamp() - p_stale_for)
    from freshness.register_data_type('pgtap_quote', 'pg_temp.quotes', ttl => '16 minutes') as t
$$;
select ok(
    pg_temp.wait('1 second') between '30 seconds' and '1 minute'
    and pg_temp.wait('4 minutes') between '2 minutes' and '4 minutes 1 second',
    'a source with nothing newer is asked again after as long as its rows have been stale'
);
select ok(pg_temp.wait('1 year') between '8 minutes' and '16 minutes', 'at most a ttl later');

select * from finish();
rollback;
