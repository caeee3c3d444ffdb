begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(16);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.plain (symbol text, fetched_at timestamptz, minutes text);
select throws_ok(
    $$ select freshness.register_data_type('x', 'freshness_pgtap.nope', ttl => '1 minute') $$, 'FR002',
    'table ''freshness_pgtap.nope'' does not exist', 'a table that does not exist is named'
);
select throws_ok(
    $$
    select freshness.register_data_type('x', 'freshness_pgtap.quotes', ttl => '1 minute', symbol_column => 'nope')
    $$,
    'FR002', 'column "nope" of table freshness_pgtap.quotes does not exist',
    'a symbol column that does not exist is named'
);
select throws_ok(
    $$
    select freshness.register_data_type('x', 'freshness_pgtap.quotes', ttl => '1 minute', timestamp_column => 'nope')
    $$,
    'FR002', 'column "nope" of table freshness_pgtap.quotes does not exist', 'so is a timestamp column'
);
select throws_ok(
    $$
    select freshness.register_data_type('x', 'freshness_pgtap.quotes', ttl => '1 minute', timestamp_column => 'price')
    $$,
    'FR002', 'column "price" of table freshness_pgtap.quotes has type numeric', 'and one that holds no times'
);
select throws_ok(
    $$
    select freshness.register_data_type(
        'x', 'freshness_pgtap.plain', ttl => '1 minute', ttl_column => 'minutes', write_mode => 'append'
    )
    $$,
    'FR002', 'column "minutes" of table freshness_pgtap.plain has type text', 'and a ttl column that holds no ttl'
);
select throws_ok(
    $$
    select freshness.register_data_type('x', 'freshness_pgtap.quotes', ttl => '1 minute', time_zone => 'Mars/Base')
    $$,
    'FR002', 'time zone ''Mars/Base'' does not exist', 'a time zone that does not exist is named'
);
select throws_ok(
    $$
    select freshness.register_data_type(
        'x', 'freshness_pgtap.quotes', ttl => '1 minute', deadline_function => 'public.nope'
    )
    $$,
    'FR002', null, 'a deadline function that does not exist is refused'
);
select throws_ok(
    $$
    select freshness.register_data_type(
        'x', 'freshness_pgtap.quotes', ttl => '1 minute', staleness_function => 'not a name('
    )
    $$,
    'FR002', null, 'so is a staleness function whose name is none'
);
select throws_ok(
    $$ select freshness.register_data_type('x', 'freshness_pgtap.plain', ttl => '1 minute') $$, 'FR002',
    'table freshness_pgtap.plain has no unique index with column symbol', 'an upsert needs a unique index'
);
select lives_ok(
    $$
    select freshness.register_data_type(
        'pgtap_plain', 'freshness_pgtap.plain', ttl => '1 minute', write_mode => 'append'
    )
    $$,
    'rows can be added without one'
);
select throws_ok(
    $$ select freshness.register_data_type('x', 'freshness_pgtap.quotes', ttl => '0') $$,
    'FR002', 'ttl is 00:00:00', 'a ttl of nothing is refused'
);
select throws_ok(
    $$ select freshness.register_data_type('x', 'freshness_pgtap.quotes', ttl => '1 minute', write_mode => 'merge') $$,
    'FR002', null, 'an unknown write mode is refused'
);
select is(
    (select row(t.*)::text from freshness.data_types as t where name = 'pgtap_quote'),
    row((freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute')).*)::text,
    'doing it twice changes nothing'
);
select is(
    (freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '2 minutes')).ttl,
    interval '2 minutes',
    'doing it again with another ttl changes it'
);
select is(
    (select array_agg(tgname order by tgname)::text from pg_trigger where tgrelid = 'freshness_pgtap.quotes'::regclass),
    '{freshness_delete_pgtap_quote,freshness_insert_pgtap_quote,freshness_truncate_pgtap_quote,'
    'freshness_update_pgtap_quote}',
    'the data table has our triggers'
);
create table freshness_pgtap.moved (like freshness_pgtap.quotes including all);
do $$
begin
    perform freshness.watch(array['pgtap_quote'], array['A'], 'user:1');
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.moved', ttl => '1 minute');
end
$$;
select is_empty(
    $$ select 1 from pg_trigger where tgrelid = 'freshness_pgtap.quotes'::regclass $$,
    'a table that no data type uses any more is left without ours'
);

select * from finish();
rollback;
