begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select has_pk('freshness', 'data_types', 'a data type has one row');
select throws_ok(
    $$ update freshness.data_types set ttl = null where name = 'pgtap_quote' $$, 'FR002', 'ttl is null',
    'a time-to-live is required'
);
select throws_ok(
    $$ update freshness.data_types set ttl = '999 milliseconds' where name = 'pgtap_quote' $$, 'FR002', null,
    'a time-to-live is a second or longer'
);
select throws_ok(
    $$ update freshness.data_types set refresh_ahead = '1 minute' where name = 'pgtap_quote' $$, '23514', null,
    'a refresh does not start before the row is stored'
);
select throws_ok(
    $$
    insert into freshness.data_types (name, data_table, symbol_column, timestamp_column, ttl)
    values ('x y', 'freshness_pgtap.quotes', 'symbol', 'fetched_at', '1 minute')
    $$, '23514', null,
    'a name is plain: letters, digits, underscores and dashes'
);
select throws_ok(
    $$ update freshness.data_types set key_columns = null where name = 'pgtap_quote' $$, '23514', null,
    'an upsert has columns to go by'
);
select throws_ok(
    $$ update freshness.data_types set backoff_first = '10 minutes' where name = 'pgtap_quote' $$, 'FR002',
    'backoff_first is 00:10:00', 'waits between attempts grow'
);
select throws_ok(
    $$ update freshness.data_types set backoff_longest = '2 days' where name = 'pgtap_quote' $$, 'FR002',
    'backoff_longest is 2 days', 'to a day at most'
);

select * from finish();
rollback;
