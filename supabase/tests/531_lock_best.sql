begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap_api');
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_profile', 'freshness_pgtap.quotes', ttl => '1 minute', source => 'pgtap_api', calls_per_refresh => 3
    );
end
$$;
insert into freshness.jobs (data_type, symbol, priority, run_at, viewers, requested_at, stored_at) values
('pgtap_quote', 'OLD', 0, now() - interval '5 minutes', 1, null, now()),
('pgtap_quote', 'SEEN', 0, now() - interval '1 minute', 9, null, now()),
('pgtap_quote', 'ASKED', 0, now() - interval '1 second', 1, now(), now()),
('pgtap_quote', 'URGENT', 1, now() - interval '1 second', 1, null, now()),
('pgtap_quote', 'LATER', 9, now() + interval '1 minute', 1, null, now());
insert into freshness.jobs (data_type, symbol, state, run_at, worker, fence, started_at)
values ('pgtap_quote', 'RUNS', 'running', now() - interval '9 minutes', 1, 1, now());
create function freshness_pgtap.best(p_limit integer, p_lead interval) returns text[]
language sql as $$
    select array_agg(j.symbol order by p.ordinality)
    from freshness.lock_best('{pgtap_quote}', p_limit, p_lead) as b
    cross join lateral unnest(b.places) with ordinality as p (place, ordinality)
    join freshness.jobs as j on j.ctid = p.place
$$;
select is(freshness_pgtap.best(9, '0'), '{URGENT,ASKED,SEEN,OLD}', 'by class, what was asked for, and viewers times age');
select is(freshness_pgtap.best(2, '0'), '{URGENT,ASKED}', 'and no more than asked for');
select is(freshness_pgtap.best(1, '2 minutes'), '{LATER}', 'a lead makes due what will be');
select is(b.are_all, false, 'others are due')
from freshness.lock_best('{pgtap_quote}', 3, '0') as b;
select is(b.are_all, true, 'these are all')
from freshness.lock_best('{pgtap_quote}', 5, '0') as b;
select is(b.are_all, true, 'and so are none')
from freshness.lock_best('{pgtap_profile}', 5, '0') as b;
insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_profile', 'A', now());
select row_eq(
    $$ select b.data_types, b.sources, b.most_calls from freshness.lock_best('{pgtap_profile}', 5, '0') as b $$,
    row('{pgtap_profile}'::text[], '{pgtap_api}'::text[], 3), 'it says what they need'
);
select row_eq(
    $$
    select b.data_types, b.sources, b.most_calls from freshness.lock_best('{pgtap_quote,pgtap_profile}', 9, '0') as b
    $$,
    row('{pgtap_profile,pgtap_quote}'::text[], '{pgtap_api}'::text[], 3), 'of all that are among them'
);

select * from finish();
rollback;
