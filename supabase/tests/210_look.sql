begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(25);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.prices (
    symbol text, at timestamptz, ttl interval, minutes integer, primary key (symbol, at)
);
create table freshness_pgtap.local_times (symbol text primary key, fetched_at timestamp);
create table freshness_pgtap.days (symbol text primary key, fetched_at date);
create table freshness_pgtap.news (id integer primary key, fetched_at timestamptz);
create table freshness_pgtap.parts (symbol text primary key, fetched_at timestamptz) partition by list (symbol);
create table freshness_pgtap.part_a partition of freshness_pgtap.parts for values in ('A');
create table freshness_pgtap.secrets (symbol text primary key, fetched_at timestamptz);
alter table freshness_pgtap.secrets enable row level security;
create table freshness_pgtap.computed (
    id text primary key, symbol text generated always as (lower(id)) stored, fetched_at timestamptz
);
create index on freshness_pgtap.computed (symbol);
do $$
begin
    perform freshness.register_data_type(
        'pgtap_price', 'freshness_pgtap.prices', ttl => '1 minute', timestamp_column => 'at'
    );
    perform freshness.register_data_type(
        'pgtap_interval', 'freshness_pgtap.prices', ttl => '1 minute', timestamp_column => 'at', ttl_column => 'ttl'
    );
    perform freshness.register_data_type(
        'pgtap_minutes', 'freshness_pgtap.prices', ttl => '1 minute', timestamp_column => 'at', ttl_column => 'minutes'
    );
    perform freshness.register_data_type(
        'pgtap_ahead', 'freshness_pgtap.quotes', ttl => '1 minute', refresh_ahead => '10 seconds'
    );
    perform freshness.register_data_type(
        'pgtap_far_ahead', 'freshness_pgtap.quotes', ttl => '1 minute', refresh_ahead => '59 seconds'
    );
    perform freshness.register_data_type(
        'pgtap_berlin', 'freshness_pgtap.local_times', ttl => '1 minute', time_zone => 'Europe/Berlin'
    );
    perform freshness.register_data_type('pgtap_day', 'freshness_pgtap.days', ttl => '2 days');
    perform freshness.register_data_type(
        'pgtap_news', 'freshness_pgtap.news', ttl => '1 minute', symbol_column => null
    );
    perform freshness.register_data_type('pgtap_part', 'freshness_pgtap.parts', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_secret', 'freshness_pgtap.secrets', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_computed', 'freshness_pgtap.computed', ttl => '1 minute', write_mode => 'append'
    );
end
$$;
insert into freshness_pgtap.quotes values
('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour'), ('UNKNOWN', 1, null),
('SOON', 1, now() + interval '30 seconds'), ('FUTURE', 1, now() + interval '1 day'), ('FOREVER', 1, 'infinity');
insert into freshness_pgtap.prices values
('A', now() - interval '2 hours', null, null), ('A', now() - interval '1 hour', '2 hours', 120),
('B', now(), null, null), ('C', now(), '-1 hour', 0), ('D', now() + interval '1 day', null, null),
('D', now() - interval '1 hour', null, null), ('E', now(), '300000 years', 2147483647);
insert into freshness_pgtap.local_times values ('A', now() at time zone 'Europe/Berlin');
insert into freshness_pgtap.days values ('A', (now() at time zone 'UTC')::date);
insert into freshness_pgtap.news values (1, now() - interval '1 hour'), (2, now());
insert into freshness_pgtap.parts values ('A', now());
insert into freshness_pgtap.secrets values ('A', now());
insert into freshness_pgtap.computed (id, fetched_at) values ('A', now());

select results_eq(
    $$
    select present, stored_at, fresh_until, refresh_at, problem from freshness.look('pgtap_quote', array['FRESH'])
    $$,
    $$ select true, now(), now() + interval '1 minute', now() + interval '1 minute', null::text $$,
    'a row is fresh for one ttl from its timestamp'
);
select is(fresh_until, now() - interval '59 minutes', 'an old row has gone stale')
from freshness.look('pgtap_quote', array['OLD']);
select results_eq(
    $$ select present, fresh_until from freshness.look('pgtap_quote', array['MISSING']) $$,
    $$ values (false, null::timestamptz) $$, 'a row that is missing is never fresh'
);
select results_eq(
    $$ select present, stored_at, fresh_until from freshness.look('pgtap_quote', array['UNKNOWN']) $$,
    $$ values (true, null::timestamptz, null::timestamptz) $$, 'a row without a timestamp is stale'
);
select ok(
    fresh_until between now() + interval '1 minute' and clock_timestamp() + interval '1 minute',
    'a timestamp a little ahead of the clock counts as now'
)
from freshness.look('pgtap_quote', array['SOON']);
select results_eq(
    $$
    select symbol, present, stored_at,
    fresh_until from freshness.look('pgtap_quote', array['FOREVER', 'FUTURE']) order by 1
    $$,
    $$ values ('FOREVER', true, null::timestamptz, null::timestamptz), ('FUTURE', true, null, null) $$,
    'a timestamp far in the future is passed over'
);
select is(stored_at, now() - interval '1 hour', 'the newest of several rows counts')
from freshness.look('pgtap_price', array['A']);
select is(stored_at, now() - interval '1 hour', 'a row from the future does not hide an old one')
from freshness.look('pgtap_price', array['D']);
select is(fresh_until, now() + interval '1 hour', 'a row''s own ttl as an interval counts')
from freshness.look('pgtap_interval', array['A']);
select is(fresh_until, now() + interval '1 hour', 'a row''s own ttl in minutes counts')
from freshness.look('pgtap_minutes', array['A']);
select results_eq(
    $$ select fresh_until from freshness.look('pgtap_interval', array['B', 'C']) $$,
    $$ values (now() + interval '1 minute'), (now() + interval '1 minute') $$,
    'without a positive ttl of its own a row has the data type''s'
);
select is(fresh_until, now() + interval '1 minute', 'nor do zero minutes count')
from freshness.look('pgtap_minutes', array['C']);
select is_empty(
    $$ select * from freshness.look('pgtap_minutes', array['B', 'E']) where problem is not null $$,
    'a row with far too many minutes spoils nothing'
);
select is_empty(
    $$ select * from freshness.look('pgtap_interval', array['B', 'E']) where problem is not null $$,
    'nor does a row with far too long an interval'
);
select is(fresh_until - refresh_at, interval '10 seconds', 'a refresh may start ahead')
from freshness.look('pgtap_ahead', array['FRESH']);
select is(fresh_until - refresh_at, interval '30 seconds', 'but never in the first half of a row''s life')
from freshness.look('pgtap_far_ahead', array['FRESH']);
select is(stored_at, now(), 'a timestamp without a zone is read in the data type''s zone')
from freshness.look('pgtap_berlin', array['A']);
select ok(fresh_until > now(), 'a date counts from its midnight')
from freshness.look('pgtap_day', array['A']);
select results_eq(
    $$ select symbol, stored_at from freshness.look('pgtap_news', array['GLOBAL']) $$,
    $$ values ('GLOBAL', now()) $$, 'a global table has one key, and its newest row counts'
);
select is(stored_at, now(), 'partitions count as their root')
from freshness.look('pgtap_part', array['A']);
select is(stored_at, now(), 'row level security does not hide rows from us')
from freshness.look('pgtap_secret', array['A']);
select is(stored_at, now(), 'a generated column can name the entity')
from freshness.look('pgtap_computed', array['a']);
select is(
    fresh_until, '2100-01-01 00:01+00'::timestamptz, 'a fetch that found nothing newer counts as fresh data'
)
from freshness.look('pgtap_quote', array['OLD'], '{2100-01-01 00:00+00}');
select is(
    (select count(*)::integer from freshness.look('pgtap_quote', array['A', 'B', 'C'])), 3, 'each symbol gets a row'
);
drop table freshness_pgtap.local_times cascade;
select results_eq(
    $$ select present, fresh_until, problem is not null from freshness.look('pgtap_berlin', array['A']) $$,
    $$ values (false, null::timestamptz, true) $$, 'a data table that is gone is a problem, not an error'
);

select * from finish();
rollback;
