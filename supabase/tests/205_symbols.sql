begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(14);

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
create table freshness_pgtap.by_number (symbol numeric primary key, fetched_at timestamptz);
create table freshness_pgtap.no_symbol (id integer primary key, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_uuid', 'freshness_pgtap.by_uuid', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_integer', 'freshness_pgtap.by_integer', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_number', 'freshness_pgtap.by_number', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_global', 'freshness_pgtap.no_symbol', ttl => '1 minute', symbol_column => null
    );
end
$$;

select set_eq(
    $$
    select given, symbol from freshness.canonical_symbols('pgtap_quote', array['A', 'A', ' a', 'it''s, "é" 🚀', ''])
    $$,
    $$ values ('A', 'A'), (' a', ' a'), ('it''s, "é" 🚀', 'it''s, "é" 🚀'), ('', null) $$,
    'text is taken as it is, once; nothing is no symbol'
);
select is(
    (select symbol from freshness.canonical_symbols('pgtap_quote', array[repeat('x', 201)])), null,
    'a symbol of 201 characters is none'
);
select is(
    (select symbol from freshness.canonical_symbols('pgtap_quote', array[repeat('é', 200)])), repeat('é', 200),
    'one of 200 is, however many bytes it takes'
);
select set_eq(
    $$
    select given, symbol from freshness.canonical_symbols(
        'pgtap_uuid', array['6E5A3C1E-0F5B-4F1C-9F62-0D7A5F1F2B11', '{6e5a3c1e0f5b4f1c9f620d7a5f1f2b11}']
    )
    $$,
    $$
    values
    ('6E5A3C1E-0F5B-4F1C-9F62-0D7A5F1F2B11', '6e5a3c1e-0f5b-4f1c-9f62-0d7a5f1f2b11'),
    ('{6e5a3c1e0f5b4f1c9f620d7a5f1f2b11}', '6e5a3c1e-0f5b-4f1c-9f62-0d7a5f1f2b11')
    $$,
    'two spellings of a uuid are one symbol'
);
select set_eq(
    $$
    select given, symbol
    from freshness.canonical_symbols('pgtap_integer', array['7', '007', 'seven', '9999999999', '7; drop table x'])
    $$,
    $$ values ('7', '7'), ('007', '7'), ('seven', null), ('9999999999', null), ('7; drop table x', null) $$,
    'what is no integer is no symbol, and spoils nothing for the others'
);
select bag_eq(
    $$ select given, symbol from freshness.canonical_symbols('pgtap_integer', array['x', '7']) $$,
    $$ values ('7', '7'), ('x', null) $$,
    'nor repeats them'
);
select set_eq(
    $$ select given, symbol from freshness.canonical_symbols('pgtap_global', array['A', 'GLOBAL']) $$,
    $$ values ('A', 'GLOBAL'), ('GLOBAL', 'GLOBAL') $$,
    'a global table has one symbol'
);
select lives_ok(
    $$ select * from freshness.canonical_symbols('pgtap_unknown', array['A']) $$,
    'a data type that is not registered is no error'
);
select set_eq(
    $$ select given, symbol from freshness.canonical_symbols('pgtap_number', array['1e3', '1e300', '1e199']) $$,
    $$ values ('1e3', '1000'), ('1e300', null), ('1e199', '1' || repeat('0', 199)) $$,
    'what is too long only when it is written out is no symbol either'
);
select is(freshness.cast_symbol('x', 'uuid'), null, 'a value that does not fit the type is no symbol');

create table freshness_pgtap.dated (moment timestamptz primary key, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type(
        'pgtap_dated', 'freshness_pgtap.dated', ttl => '1 minute', symbol_column => 'moment'
    );
end
$$;
set local datestyle = 'German';
set local timezone = 'Asia/Tokyo';
select is(
    (select symbol from freshness.canonical_symbols('pgtap_dated', array['2026-02-01 12:00+09'])),
    '2026-02-01 03:00:00+00', 'a moment is the same symbol however the session writes it'
);
select set_eq(
    $$ select symbol from freshness.canonical_symbols('pgtap_dated', array['2026-02-01 12:00+09', 'never']) $$,
    array['2026-02-01 03:00:00+00', null], 'also beside one that is none'
);
select lives_ok(
    $$
    select freshness.watch(array['pgtap_dated'], array['2026-02-01 12:00+09'], 'user:1');
    insert into freshness_pgtap.dated values ('2026-02-01 12:00+09', now());
    update freshness_pgtap.dated set fetched_at = now() - interval '1 hour'
    $$, 'one that is watched becomes older'
);
select results_eq(
    $$ select symbol from freshness.pulls where data_type = 'pgtap_dated' and reason = 'data changed' $$,
    array['2026-02-01 03:00:00+00'], 'and is noticed'
);

select * from finish();
rollback;
