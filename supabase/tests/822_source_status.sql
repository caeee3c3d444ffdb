begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

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
create function freshness_pgtap.status() returns text
language sql as $$
    select concat_ws(' ', status, calls_in_flight, calls_last_minute, bytes_last_30_days)
    from freshness.source_status where source = 'pgtap_api'
$$;
select is(freshness_pgtap.status(), 'open 0 0 0', 'a source that nobody has called is open');
insert into freshness.jobs (data_type, symbol, state, run_at, worker, fence, started_at, calls, estimated_size_bytes)
select 'pgtap_quote', 'S' || n, 'running', now(), 1, n, now(), 1, 100 from generate_series(1, 3) as n;
insert into freshness.spent_calls (source, calls, bytes) values ('pgtap_api', 2, 20);
insert into freshness.spent_days values ('pgtap_api', current_date - 1, 5, 5);
update freshness.sources set short_since = now() where name = 'pgtap_api';
select is(freshness_pgtap.status(), 'short 3 2 325', 'it is short when due jobs wait for it');
select is(
    (select message from freshness.findings where message like '%pgtap_api%'), null, 'which for a moment is nothing to look at'
);
update freshness.sources
set short_since = now() - interval '5 minutes', paused_until = now() + interval '1 hour', pause_reason = 'HTTP 503'
where name = 'pgtap_api';
select set_eq(
    $$ select kind from freshness.findings where message like '%pgtap_api%' $$,
    array['source_paused', 'source_short'], 'a pause is, and a budget that does not suffice'
);

select * from finish();
rollback;
