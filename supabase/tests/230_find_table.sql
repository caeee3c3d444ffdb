begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create view freshness_pgtap.a_view as select * from freshness_pgtap.quotes;
select throws_ok(
    $$ select freshness.register_data_type('x', 'freshness_pgtap.nope', ttl => '1 minute') $$, 'FR002',
    'table ''freshness_pgtap.nope'' does not exist', 'a table that does not exist is named'
);
select throws_like(
    $$ select freshness.register_data_type('x', 'a.b.c.d', ttl => '1 minute') $$, '%''a.b.c.d''%',
    'so is one whose name is none'
);
select throws_like(
    $$ select freshness.register_data_type('x', '', ttl => '1 minute') $$, 'table '''' does not exist', 'or is empty'
);
select throws_ok(
    $$ select freshness.register_data_type('x', null, ttl => '1 minute') $$, 'FR002', null, 'or is missing'
);
select throws_like(
    $$ select freshness.register_data_type('x', 'freshness_pgtap.a_view', ttl => '1 minute', write_mode => 'append') $$,
    '%freshness_pgtap.a_view%', 'a view is refused by name'
);

select * from finish();
rollback;
