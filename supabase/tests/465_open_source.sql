begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap_api', calls_per_minute => 10, burst => 5);
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', source => 'pgtap_api'
    );
end
$$;
create function freshness_pgtap.run(p_from integer, p_to integer) returns void
language sql as $$
    insert into freshness.jobs (data_type, symbol, state, run_at, worker, fence, started_at, calls, estimated_size_bytes)
    select 'pgtap_quote', 'S' || n, 'running', now(), 1, n, now(), 1, 100 from generate_series(p_from, p_to) as n
$$;
create function freshness_pgtap.allowed() returns text
language sql as $$
    select coalesce(a.calls::text, 'any') || ' ' || coalesce(a.bytes::text, 'any')
    from freshness.sources as s cross join lateral freshness.allowance(s) as a
    where s.name = 'pgtap_api'
$$;
create function freshness_pgtap.opens_in() returns integer
language sql as $$
    select round(extract(epoch from a.opens_at - clock_timestamp()))::integer
    from freshness.sources as s cross join lateral freshness.allowance(s) as a
    where s.name = 'pgtap_api'
$$;
select is(
    (select o::text from freshness.open_source('pgtap_api') as o), '(5,)', 'a source says what may be claimed'
);
select is((select o::text from freshness.open_source('pgtap_other') as o), '(,)', 'one without a budget has no limit');
do $$
begin
    perform freshness_pgtap.run(1, 4);
    perform freshness.charge_sources(1, now(), array['pgtap_api'], null);
end
$$;
select is(freshness_pgtap.allowed(), '1 any', 'what is claimed leaves the even pace');
select is((select short_since from freshness.sources where name = 'pgtap_api'), null, 'nothing waits for the budget');
do $$
begin
    perform freshness_pgtap.run(5, 5);
    perform freshness.charge_sources(1, now(), array['pgtap_api'], array['pgtap_api']);
end
$$;
select cmp_ok(
    (select extract(epoch from opens_at - clock_timestamp()) from freshness.sources where name = 'pgtap_api'), '>', 1.0,
    'when something waits it is on record until when'
);
do $$
begin
    perform freshness.charge_sources(2, now(), array['pgtap_api'], null);
end
$$;
select is(
    (select opens_at is null and short_since is null from freshness.sources where name = 'pgtap_api'), true,
    'and when nothing does any more, that too'
);
insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_quote', 'DUE', now());
select is(
    freshness.open_sources(array['pgtap_quote'], '0') -> 'pgtap_api' ->> 'calls', '0',
    'sources that something waits for are opened'
);
select is(freshness.open_sources(array['pgtap_other'], '0'), '{}', 'others are not');
do $$
begin
    perform freshness.register_source('pgtap_api', bytes_per_30_days => 1000);
    insert into freshness.spent_days (source, day, calls, bytes)
    values ('pgtap_api', (clock_timestamp() at time zone 'UTC')::date, 1, 400);
    perform freshness.charge_sources(2, now(), array['pgtap_api'], array['pgtap_api']);
end
$$;
select cmp_ok(
    (select extract(epoch from opens_at - clock_timestamp()) from freshness.sources where name = 'pgtap_api'), '>', 50.0,
    'bytes that are left, and too few for the next job, are not asked for all the time'
);

select * from finish();
rollback;
