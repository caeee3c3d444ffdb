begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(10);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.rates (symbol text primary key, minutes numeric, span interval, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type(
        'pgtap_minutes', 'freshness_pgtap.rates', ttl => '1 hour', ttl_column => 'minutes'
    );
    perform freshness.register_data_type('pgtap_span', 'freshness_pgtap.rates', ttl => '1 hour', ttl_column => 'span');
    perform freshness.register_data_type(
        'pgtap_jitter', 'freshness_pgtap.quotes', ttl => '1 minute', jitter => '20 seconds'
    );
    perform freshness.register_data_type(
        'pgtap_wide', 'freshness_pgtap.quotes', ttl => '1 minute', jitter => '1 day', refresh_ahead => '10 seconds'
    );
end
$$;
insert into freshness_pgtap.quotes select 'S' || n, n, now() from generate_series(1, 200) as n;
insert into freshness_pgtap.rates values
('NAN', 'NaN', null, now()), ('TINY', 0.0001, '1 microsecond', now()), ('NULL', null, null, now()),
('ZERO', 0, '0', now()), ('LESS', -5, '-5 minutes', now());
select results_eq(
    $$
    select symbol, fresh_until - now()
    from freshness.look('pgtap_minutes', array['NAN', 'NULL', 'ZERO', 'LESS', 'TINY']) order by 1
    $$,
    $$
    values
    ('LESS', interval '1 hour'), ('NAN', interval '1 hour'), ('NULL', interval '1 hour'), ('TINY', interval '1 second'),
    ('ZERO', interval '1 hour')
    $$, 'minutes that are none fall back on the data type''s, and very few count as a second'
);
select results_eq(
    $$
    select symbol, fresh_until - now() from freshness.look('pgtap_span', array['NULL', 'ZERO', 'LESS', 'TINY']) order by 1
    $$,
    $$
    values
    ('LESS', interval '1 hour'), ('NULL', interval '1 hour'), ('TINY', interval '1 second'), ('ZERO', interval '1 hour')
    $$, 'so do intervals'
);
create view freshness_pgtap.looked as
select l.symbol, l.fresh_until - l.refresh_at as ahead
from freshness.look('pgtap_jitter', array(select q.symbol from freshness_pgtap.quotes as q)) as l;
select ok(
    min(ahead) >= interval '0' and max(ahead) <= interval '20 seconds' and max(ahead) > interval '19 seconds',
    'jitter brings a refresh forward by a part of it'
)
from freshness_pgtap.looked;
select ok(count(distinct ahead) > 190, 'another for each key') from freshness_pgtap.looked;
select ok(
    avg(extract(epoch from ahead)) between 8 and 12, 'and spread evenly'
)
from freshness_pgtap.looked;
select results_eq(
    $$ select ahead from freshness_pgtap.looked order by symbol $$,
    $$ select ahead from freshness_pgtap.looked order by symbol $$, 'the same each time'
);
select ok(
    max(l.fresh_until - l.refresh_at) = interval '30 seconds', 'but never in the first half of a row''s life'
)
from freshness.look('pgtap_wide', array(select q.symbol from freshness_pgtap.quotes as q)) as l;
select is(count(*)::integer, 200, 'what people see is the ttl')
from freshness.look('pgtap_jitter', array(select q.symbol from freshness_pgtap.quotes as q)) as l
where l.fresh_until = now() + interval '1 minute';
create function freshness_pgtap.never(timestamptz, interval) returns timestamptz
language sql immutable return 'infinity'::timestamptz;
do $$
begin
    perform freshness.register_data_type(
        'pgtap_never', 'freshness_pgtap.quotes', ttl => '1 minute',
        deadline_function => 'freshness_pgtap.never'
    );
end
$$;
select is(l.refresh_at, 'infinity', 'what is fresh for ever needs no refresh')
from freshness.look('pgtap_never', array['S1']) as l;
select is(l.refresh_at, null, 'nor is one planned for what was never fresh')
from freshness.look('pgtap_wide', array['NONE']) as l;

select * from finish();
rollback;
