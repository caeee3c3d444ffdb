begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol integer primary key, price numeric, fetched_at timestamp);
do $$
begin
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', jitter => '1 second', time_zone => 'UTC'
    );
end
$$;
create view freshness_pgtap.joins as
select freshness.look_joins(t) as text from freshness.data_types as t where t.name = 'pgtap_quote';

select matches(text, 'from freshness_pgtap.quotes as r', 'it reads the table') from freshness_pgtap.joins;
select matches(text, 'r.symbol = k.symbol::integer', 'by the symbol in the column''s type') from freshness_pgtap.joins;
select matches(text, 'at time zone', 'and timestamps without a zone in that of the data type') from freshness_pgtap.joins;
alter table freshness_pgtap.quotes drop column fetched_at cascade;
select throws_ok('select * from freshness_pgtap.joins', 'FR002', null, 'a column that is gone is named');

create table freshness_pgtap.prices (symbol text, minutes integer, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type(
        'pgtap_price', 'freshness_pgtap.prices', ttl => '1 minute', write_mode => 'append'
    );
    perform freshness.register_data_type(
        'pgtap_own', 'freshness_pgtap.prices', ttl => '1 minute', write_mode => 'append', ttl_column => 'minutes'
    );
end
$$;
insert into freshness_pgtap.prices values
('A', 5, now() - interval '2 minutes'), ('A', 3, now() - interval '1 minute'), ('A', 9, now() + interval '1 day'),
('A', 9, 'infinity'), ('A', 9, null);
select results_eq(
    $$ select stored_at, fresh_until from freshness.look('pgtap_price', array['A']) $$,
    $$ values (now() - interval '1 minute', now()) $$,
    'of many rows the newest counts that is not far in the future'
);
select results_eq(
    $$ select stored_at, fresh_until from freshness.look('pgtap_own', array['A']) $$,
    $$ values (now() - interval '1 minute', now() + interval '2 minutes') $$,
    'with its own ttl, where rows have one'
);
select results_eq(
    $$ select present, stored_at from freshness.look('pgtap_price', array['NONE']) $$,
    $$ values (false, null::timestamptz) $$,
    'a key without rows has none'
);
select doesnt_match(
    freshness.newest_row(t), 'order by', 'nothing is sorted where the newest timestamp says all'
)
from freshness.data_types as t where t.name = 'pgtap_price';

select * from finish();
rollback;
