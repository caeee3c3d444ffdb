begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(17);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap_api', calls_per_minute => 10, calls_in_flight => 4, bytes_per_30_days => 1500);
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
select is(freshness_pgtap.allowed(), '4 1500', 'at first the smallest limit counts');
select freshness_pgtap.run(1, 3);
select is(freshness_pgtap.allowed(), '1 1200', 'running jobs count');
select freshness_pgtap.run(4, 4);
select is(freshness_pgtap.allowed(), '0 1100', 'all that may be in flight are');
select cmp_ok(freshness_pgtap.opens_in(), '<=', 1, 'and it opens when one ends');
update freshness.jobs set state = 'scheduled', worker = null, fence = null, started_at = null where state = 'running';
select is(freshness_pgtap.allowed(), '4 1100', 'what has ended counts for a minute, and its bytes for longer');
insert into freshness.spent_calls (source, spent_at, calls, bytes)
values ('pgtap_api', now() - interval '50 seconds', 3, 0), ('pgtap_api', now() - interval '20 seconds', 3, 0);
select is(freshness_pgtap.allowed(), '0 1100', 'ten in a minute are enough');
select is(freshness_pgtap.opens_in(), 10, 'the oldest makes room');
update freshness.spent_calls set spent_at = spent_at - interval '11 seconds';
select is(freshness_pgtap.allowed(), '3 1100', 'when its minute is over');
insert into freshness.spent_days values ('pgtap_api', current_date - 29, 5, 1100), ('pgtap_api', current_date - 30, 5, 9);
select is(freshness_pgtap.allowed(), '0 0', 'the bytes of 30 days are used up');
select cmp_ok(freshness_pgtap.opens_in(), '>', 0, 'until a day ends');
delete from freshness.spent_days;
update freshness.sources set paused_until = now() + interval '30 seconds' where name = 'pgtap_api';
select is(freshness_pgtap.opens_in(), 30, 'a pause holds all of it');
update freshness.sources set paused_until = now(), pauses = 1 where name = 'pgtap_api';
select is(freshness_pgtap.allowed(), '1 1100', 'after a pause that failures caused one call tries it');
update freshness.data_types set calls_per_refresh = 3 where name = 'pgtap_quote';
select is(freshness_pgtap.allowed(), '3 1100', 'or as many as one refresh makes: with fewer it would never be tried');
select freshness_pgtap.run(5, 5);
select is(freshness_pgtap.allowed(), '0 1000', 'and no other while that one runs');
delete from freshness.jobs where symbol = 'S5';

delete from freshness.spent_calls;
update freshness.sources
set pauses = 0, burst = 2, calls_per_minute = 60, calls_in_flight = null, tokens = 0.5, tokens_at = now() - interval '1 second'
where name = 'pgtap_api';
select is(freshness_pgtap.allowed(), '1 1500', 'calls start at an even pace');
update freshness.sources set tokens = -9, tokens_at = clock_timestamp() where name = 'pgtap_api';
select is(freshness_pgtap.opens_in(), 10, 'and the next one when the pace allows it');
update freshness.sources set tokens = 0, tokens_at = now() + interval '1 day' where name = 'pgtap_api';
select is(freshness_pgtap.opens_in(), 1, 'a clock that was set back closes nothing');

select * from finish();
rollback;
