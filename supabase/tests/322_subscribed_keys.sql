begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(15);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.by_uuid (symbol uuid primary key, fetched_at timestamptz);
create table freshness_pgtap.by_integer (symbol integer primary key, fetched_at timestamptz);
create table freshness_pgtap.news (id integer primary key, fetched_at timestamptz);
create table freshness_pgtap.other (symbol text primary key);
create table freshness_pgtap.parts (symbol text primary key, fetched_at timestamptz) partition by list (symbol);
create table freshness_pgtap.part_a partition of freshness_pgtap.parts for values in ('A');
grant select on all tables in schema freshness_pgtap to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_profile', 'freshness_pgtap.quotes', ttl => '1 day');
    perform freshness.register_data_type('pgtap_uuid', 'freshness_pgtap.by_uuid', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_integer', 'freshness_pgtap.by_integer', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_news', 'freshness_pgtap.news', ttl => '1 minute', symbol_column => null
    );
    perform freshness.register_data_type('pgtap_part', 'freshness_pgtap.parts', ttl => '1 minute');
end
$$;
create function freshness_pgtap.subscribe(p_table regclass, p_filters jsonb)
returns bigint
language sql
as $$
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    select
        gen_random_uuid(), p_table,
        array(
            select jsonb_populate_record(null::realtime.user_defined_filter, f)
            from jsonb_array_elements(p_filters) as f
        ),
        '{"role": "authenticated"}'
    returning id
$$;
-- Keys that a subscription with these filters (column, operator, value, negated) watches.
create function freshness_pgtap.keys(p_table regclass, variadic p_filters text[] default '{}')
returns text
language plpgsql
as $$
declare
    v_row bigint := freshness_pgtap.subscribe(p_table, (
        select coalesce(jsonb_agg(jsonb_build_object(
            'column_name', p_filters[i], 'op', p_filters[i + 1], 'value', p_filters[i + 2], 'negate',
            p_filters[i + 3]::boolean
        )), '[]')
        from generate_series(1, cardinality(p_filters), 4) as i
    ));
begin
    return coalesce(
        string_agg(
            k.data_type || ' ' || coalesce(k.symbol, 'null'), '; ' order by k.data_type, k.symbol collate "C"
        ), ''
    )
    from freshness.subscribed_keys(array[v_row]) as k;
end
$$;

select is(
    freshness_pgtap.keys('freshness_pgtap.quotes', 'symbol', 'eq', 'A', 'f'), 'pgtap_profile A; pgtap_quote A',
    'eq names a key, of each data type of the table'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.parts', 'symbol', 'in', '{A, "B,C", "D\"E", it''s, é}', 'f'),
    'pgtap_part A; pgtap_part B,C; pgtap_part D"E; pgtap_part it''s; pgtap_part é',
    'in names several: with commas, quotes, spaces and Unicode'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.parts', 'symbol', 'eq', ' A B ', 'f'), 'pgtap_part  A B ',
    'blanks belong to a symbol'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.parts', 'symbol', 'eq', 'A', 't'), 'pgtap_part null',
    'a negated filter names no key'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.parts', 'symbol', 'neq', 'A', 'f'), 'pgtap_part null',
    'nor does another operator'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.parts', 'fetched_at', 'gt', '2000-01-01', 'f', 'symbol', 'eq', 'A', 'f'),
    'pgtap_part A', 'filters on other columns are ignored'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.parts', 'symbol', 'eq', 'A', 'f', 'symbol', 'in', '{A,B}', 'f'),
    'pgtap_part A', 'several filters on the symbol column all have to hold'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.parts', 'symbol', 'eq', 'A', 'f', 'symbol', 'eq', 'B', 'f'),
    'pgtap_part null', 'those that exclude each other name no key'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.parts'), 'pgtap_part null', 'a subscription to a whole table names no key'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.part_a', 'symbol', 'eq', 'A', 'f'), 'pgtap_part A',
    'partitions count as their root'
);
select is(freshness_pgtap.keys('freshness_pgtap.news'), 'pgtap_news GLOBAL', 'a global table needs no filter');
select is(
    freshness_pgtap.keys('freshness_pgtap.news', 'id', 'eq', '1', 'f'), 'pgtap_news GLOBAL',
    'and any filter on it means it all'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.by_uuid', 'symbol', 'eq', '6E5A3C1E-0F5B-4F1C-9F62-0D7A5F1F2B11', 'f'),
    'pgtap_uuid 6e5a3c1e-0f5b-4f1c-9f62-0d7a5f1f2b11', 'a uuid is named by its canonical text'
);
select is(
    freshness_pgtap.keys('freshness_pgtap.by_integer', 'symbol', 'in', '{7, 007, 8}', 'f'),
    'pgtap_integer 7; pgtap_integer 8', 'two spellings of an integer are one key'
);
select is(freshness_pgtap.keys('freshness_pgtap.other', 'symbol', 'eq', 'A', 'f'), '', 'other tables are left out');
select * from finish();
rollback;
