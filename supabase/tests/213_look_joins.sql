begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

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

select * from finish();
rollback;
