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
create function freshness_pgtap.paused() returns integer
language sql as $$
    select round(extract(epoch from paused_until - clock_timestamp()))::integer
    from freshness.sources where name = 'pgtap_api'
$$;
do $$
begin
    perform freshness.note_source_failure('pgtap_api', 'no answer') from generate_series(1, 4);
end
$$;
select is(freshness_pgtap.paused(), null, 'four failures in a row are no reason to pause');
do $$
begin
    perform freshness.note_source_failure('pgtap_api', 'no answer') from generate_series(1, 9);
end
$$;
select cmp_ok(freshness_pgtap.paused(), '<=', 11, 'the fifth is; what failed with it makes it no longer');
update freshness.sources set paused_until = now() where name = 'pgtap_api';
do $$
begin
    perform freshness.note_source_failure('pgtap_api', 'no answer');
end
$$;
select cmp_ok(freshness_pgtap.paused(), '>=', 17, 'the next one is twice as long');
do $$
begin
    perform freshness.note_source_success('pgtap_api');
end
$$;
select is(
    (select failures + pauses from freshness.sources where name = 'pgtap_api'), 0, 'a success ends the count'
);
do $$
begin
    perform freshness.pause_source('pgtap_api', now() + interval '90 seconds', 'HTTP 429');
    perform freshness.pause_source('pgtap_api', now() + interval '5 seconds', 'HTTP 429');
end
$$;
select is(freshness_pgtap.paused(), 90, 'a source can ask for a pause; a shorter one does not end it');
do $$
begin
    perform freshness.pause_source('pgtap_api', now() + interval '90 days', 'HTTP 429');
end
$$;
select is(freshness_pgtap.paused(), 86400, 'a day is the longest');

select * from finish();
rollback;
