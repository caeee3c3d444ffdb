begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create function freshness_pgtap.register(p_calls integer) returns integer
language sql as $$
    select r.calls_per_refresh
    from freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', source => 'pgtap_api', calls_per_refresh => p_calls
    ) as r
$$;
select is(freshness_pgtap.register(3), 3, 'a source that is not registered has no limits');
select throws_ok(
    $$ select freshness.register_source('pgtap_api', calls_in_flight => 2) $$, 'FR002',
    'a refresh makes 3 calls, and source pgtap_api allows 2 at most', 'nor can it have limits that its refreshes break'
);
select is(
    (select r.burst from freshness.register_source('pgtap_api', calls_per_minute => 60, burst => 3) as r), 3,
    'those that allow one refresh it can have'
);
select throws_ok(
    $$ select freshness_pgtap.register(4) $$, 'FR002',
    'a refresh makes 4 calls, and source pgtap_api allows 3 at most', 'what would wait for ever is refused'
);
select throws_ok(
    $$ update freshness.data_types set calls_per_refresh = 61 where name = 'pgtap_quote' $$, 'FR002',
    'a refresh makes 61 calls, and source pgtap_api allows 3 at most', 'also where the registry is written by hand'
);
select is(freshness_pgtap.register(1), 1, 'and what costs less is taken');

select * from finish();
rollback;
