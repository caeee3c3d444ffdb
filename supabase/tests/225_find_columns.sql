begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select is(
    freshness.find_column('freshness_pgtap.quotes', 'fetched_at', 'timestamp', array['timestamp with time zone']),
    'timestamptz'::regtype::oid, 'a column''s type is found'
);
select throws_ok(
    $$ select freshness.find_column('freshness_pgtap.quotes', 'nope', 'timestamp', array['date']) $$, 'FR002',
    'column "nope" of table freshness_pgtap.quotes does not exist', 'a column that is missing is named'
);
select throws_ok(
    $$ select freshness.find_column('freshness_pgtap.quotes', 'price', 'timestamp', array['date']) $$, 'FR002',
    'column "price" of table freshness_pgtap.quotes has type numeric', 'so is one of another type'
);
select throws_ok(
    $$ select freshness.find_column('freshness_pgtap.quotes', 'ctid', 'timestamp', array['tid']) $$, 'FR002', null,
    'a system column is none'
);
create table freshness_pgtap.keys (id bigint primary key, symbol text not null, day date not null, kind text not null);
create unique index on freshness_pgtap.keys (symbol, day, kind);
create unique index on freshness_pgtap.keys (symbol, kind);
create unique index on freshness_pgtap.keys (symbol) where kind = 'x';
create unique index on freshness_pgtap.keys (lower(symbol));
select is(
    freshness.find_key_columns('freshness_pgtap.keys', 'symbol'), array['symbol', 'kind'],
    'the narrowest unique index that has the symbol column, if it covers all rows'
);
select is(
    freshness.find_key_columns('freshness_pgtap.keys', null), array['id'], 'a global table goes by its primary key'
);
select is(freshness.find_key_columns('freshness_pgtap.keys', 'day2'), null, 'without such an index there is none');

select * from finish();
rollback;
