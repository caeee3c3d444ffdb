begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap_api', calls_per_minute => 10);
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
create function freshness_pgtap.spent() returns text
language sql as $$
    select coalesce(sum(calls), 0) || ' ' || coalesce(sum(bytes), 0) from freshness.spent_calls
    where source = 'pgtap_api'
$$;
select freshness_pgtap.run(1, 3);
select is(freshness_pgtap.spent(), '0 0', 'what runs is not spent');
update freshness.jobs
set state = 'scheduled', worker = null, fence = null, started_at = null, calls = 2, estimated_size_bytes = 7
where symbol = 'S1';
select is(freshness_pgtap.spent(), '2 7', 'what was really used is spent');
delete from freshness.jobs where symbol = 'S2';
select is(freshness_pgtap.spent(), '3 107', 'a job that goes away while it runs has spent its calls');
update freshness.jobs set run_at = now() where data_type = 'pgtap_quote';
select is(freshness_pgtap.spent(), '3 107', 'nothing else spends');
insert into freshness.spent_calls (source, spent_at, calls, bytes)
values ('pgtap_api', now() - interval '61 seconds', 3, 5), ('pgtap_api', now() + interval '1 hour', 1, 1);
select freshness.fold_spent_calls('pgtap_api');
select is(
    (select sum(calls) || ' ' || sum(bytes) from freshness.spent_days where source = 'pgtap_api'), '3 5',
    'calls of more than a minute ago become part of their day'
);
select is(
    (select count(*)::integer from freshness.spent_calls where source = 'pgtap_api' and spent_at > clock_timestamp()), 0,
    'a clock that was set back leaves none in the future'
);

select * from finish();
rollback;
