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
create function freshness_pgtap.answer(p_old text, p_new text) returns text
language plpgsql as $$
declare
    v_type freshness.data_types;
    v_symbols text[];
    v_newest timestamptz[];
begin
    select * into v_type from freshness.data_types as t where t.name = 'pgtap_quote';
    p_old := format('(select s as symbol, now() - a::interval as fetched_at from (values %s) as v (s, a))', p_old);
    p_new := format('(select s as symbol, now() - a::interval as fetched_at from (values %s) as v (s, a))', p_new);
    execute freshness.earlier_keys(v_type, 'UPDATE', p_old, p_new) into v_symbols, v_newest using now();
    return coalesce(v_symbols::text, 'none');
end
$$;
select is(
    freshness_pgtap.answer($$ ('A', '9 s'), ('B', '8 s') $$, $$ ('A', '1 s'), ('B', '1 s') $$), 'none',
    'rows that all became fresher bring nothing forward'
);
select is(
    freshness_pgtap.answer($$ ('A', '9 s'), ('B', '3 s') $$, $$ ('A', '5 s'), ('B', '3 s') $$), 'none',
    'nor do rows that are mixed, when each key became fresher or stayed'
);
select is(
    freshness_pgtap.answer($$ ('A', '1 s'), ('B', '3 s') $$, $$ ('A', '5 s'), ('B', '3 s') $$), '{A}',
    'a row that went back is found'
);
select is(
    freshness_pgtap.answer($$ ('A', '9 s') $$, $$ ('B', '1 s') $$), '{A}', 'a row that was renamed is found'
);
select is(
    freshness_pgtap.answer($$ ('A', '9 s') $$, $$ ('A', '-1 day') $$), '{A}', 'a row from the future does not count'
);

select * from finish();
rollback;
