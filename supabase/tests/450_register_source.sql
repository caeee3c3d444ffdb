begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

select is(
    (select r::text from freshness.register_source('pgtap_api', calls_per_minute => 60, burst => 6) as r),
    '(pgtap_api,60,6,,,,,,,0,0,,)', 'a source is added with its limits'
);
update freshness.sources set failures = 3 where name = 'pgtap_api';
select is(
    (select r::text from freshness.register_source('pgtap_api', calls_in_flight => 2) as r),
    '(pgtap_api,,,2,,,,,,3,0,,)', 'registered again its limits change, and nothing else'
);
select throws_ok(
    $$ select freshness.register_source('pgtap_api', calls_per_minute => 0) $$, 'FR002', 'calls_per_minute is 0',
    'a limit of 0 is refused'
);
select throws_ok(
    $$ select freshness.register_source('pgtap_api', burst => 5) $$, 'FR002', 'burst is 5',
    'a burst without a number of calls is refused'
);
select throws_ok(
    $$ select freshness.register_source(null) $$, 'FR002', 'name is null', 'a source has a name'
);

select * from finish();
rollback;
