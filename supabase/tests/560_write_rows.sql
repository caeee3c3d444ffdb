begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

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
    symbol text, day date, price numeric, fetched_at timestamptz, primary key (symbol, day)
);
create table freshness_pgtap.lines (symbol text, price numeric, fetched_at timestamptz);
create table freshness_pgtap.news (id integer primary key, headline text, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_price', 'freshness_pgtap.prices', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_line', 'freshness_pgtap.lines', ttl => '1 minute', write_mode => 'append'
    );
    perform freshness.register_data_type(
        'pgtap_set', 'freshness_pgtap.lines', ttl => '1 minute', write_mode => 'replace'
    );
    perform freshness.register_data_type(
        'pgtap_news', 'freshness_pgtap.news', ttl => '1 minute', symbol_column => null
    );
end
$$;
create function freshness_pgtap.write(p_name text, p_symbol text, p_rows jsonb) returns void
language sql as $$
    select freshness.write_rows(t, p_symbol, p_rows) from freshness.data_types as t where t.name = p_name
$$;
insert into freshness_pgtap.quotes values ('A', 1, '2026-01-01'), ('FUTURE', 1, '2999-01-01'), ('UNKNOWN', 1, null),
('B', 9, '2026-01-01');
do $$
begin
    perform freshness_pgtap.write(
        'pgtap_quote', s,
        jsonb_build_array(jsonb_build_object('symbol', s, 'price', 2, 'fetched_at', '2026-01-02T00:00:00Z'))
    )
    from unnest(array['A', 'FUTURE', 'UNKNOWN', 'NEW']) as s;
end
$$;
select set_eq(
    $$ select symbol, price from freshness_pgtap.quotes where fetched_at = '2026-01-02 00:00+00' $$,
    $$ values ('A', 2::numeric), ('FUTURE', 2), ('UNKNOWN', 2), ('NEW', 2) $$,
    'upsert: newer rows replace older ones, those without a time, and those from the future'
);
do $$
begin
    perform freshness_pgtap.write(
        'pgtap_quote', 'A', '[{"symbol": "A", "price": 3, "fetched_at": "2026-01-01T12:00:00Z"}]'
    );
end
$$;
select is(price, 2::numeric, 'upsert: an older row is passed over') from freshness_pgtap.quotes where symbol = 'A';
do $$
begin
    perform freshness_pgtap.write('pgtap_quote', 'A', '[{"symbol": "A", "fetched_at": "2026-01-03T00:00:00Z"}]');
end
$$;
select is(
    price, 2::numeric, 'upsert: a column that the rows do not name keeps its value'
)
from freshness_pgtap.quotes where symbol = 'A';
do $$
begin
    perform freshness_pgtap.write(
        'pgtap_price', 'A', '[{"symbol": "A", "day": "2026-01-01", "price": 1, "fetched_at": "2026-01-02T00:00:00Z"}]'
    );
    perform freshness_pgtap.write(
        'pgtap_price', 'A',
        '[{"symbol": "A", "day": "2026-01-01", "price": 5, "fetched_at": "2026-01-01T00:00:00Z"},
        {"symbol": "A", "day": "2026-01-02", "price": 6, "fetched_at": "2026-01-03T00:00:00Z"}]'
    );
end
$$;
select set_eq(
    $$ select day, price from freshness_pgtap.prices $$,
    $$ values ('2026-01-01'::date, 1::numeric), ('2026-01-02', 6) $$,
    'upsert: each of several rows for itself'
);
do $$
begin
    perform freshness_pgtap.write('pgtap_line', 'A', '[{"symbol": "A", "price": 1}]');
    perform freshness_pgtap.write('pgtap_line', 'A', '[{"symbol": "A", "price": 2}]');
    perform freshness_pgtap.write('pgtap_line', 'B', '[{"symbol": "B", "price": 3}]');
end
$$;
select set_eq(
    $$ select symbol, price from freshness_pgtap.lines $$, $$ values ('A', 1::numeric), ('A', 2), ('B', 3) $$,
    'append: rows are added'
);
do $$
begin
    perform freshness_pgtap.write('pgtap_set', 'A', '[{"symbol": "A", "price": 7}]');
end
$$;
select set_eq(
    $$ select symbol, price from freshness_pgtap.lines $$, $$ values ('A', 7::numeric), ('B', 3) $$,
    'replace: the key''s rows become the fetched ones, the others stay'
);
do $$
begin
    perform freshness_pgtap.write('pgtap_set', 'A', '[]');
end
$$;
select set_eq($$ select symbol from freshness_pgtap.lines $$, array['B'], 'replace: by nothing');
do $$
begin
    perform freshness_pgtap.write('pgtap_news', 'GLOBAL', '[{"id": 1, "headline": "x"}]');
end
$$;
select is(headline, 'x', 'a global table is written without a symbol') from freshness_pgtap.news;
select throws_ok(
    $$
    select freshness_pgtap.write(
        'pgtap_quote', 'A', '[{"symbol": "A", "price": "dear", "fetched_at": "2026-01-04T00:00:00Z"}]'
    )
    $$,
    '22P02', null, 'a value that does not fit its column is the table''s error'
);

select * from finish();
rollback;
