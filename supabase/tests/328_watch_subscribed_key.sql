begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(10);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap."Quo'tes" (symbol text primary key, price numeric, fetched_at timestamptz);
create table freshness_pgtap.numbers (symbol integer primary key, price numeric, fetched_at timestamptz);
grant select on all tables in schema freshness_pgtap to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap."Quo''tes"', ttl => '1 hour');
    perform freshness.register_data_type('pgtap_other', 'freshness_pgtap."Quo''tes"', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_number', 'freshness_pgtap.numbers', ttl => '1 hour');
end
$$;
create function freshness_pgtap.subscribe(p_table regclass, p_symbol text) returns text
language plpgsql as $$
begin
    delete from freshness.watches where data_type like 'pgtap%';
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    select
        gen_random_uuid(), p_table,
        array[jsonb_populate_record(
            null::realtime.user_defined_filter,
            jsonb_build_object('column_name', 'symbol', 'op', 'eq', 'value', p_symbol, 'negate', false)
        )],
        '{"role": "authenticated"}';
    return (
        select string_agg(data_type || ' ' || symbol, ', ' order by data_type) from freshness.watches
        where data_type like 'pgtap%'
    );
end
$$;
create function freshness_pgtap.is_written(p_text text) returns boolean
language sql as $$
    select prosrc like '%' || p_text || '%' from pg_proc where oid = 'public.on_realtime_subscription_insert()'::regprocedure
$$;
select ok(freshness_pgtap.is_written('pgtap_quote'), 'the trigger has statements for a table that was registered');
select is(
    freshness_pgtap.subscribe('freshness_pgtap."Quo''tes"', 'A'), 'pgtap_other A, pgtap_quote A',
    'it watches the key of each of its data types'
);
select ok(not freshness_pgtap.is_written('pgtap_number'), 'but none where symbols have to be cast');
select is(
    freshness_pgtap.subscribe('freshness_pgtap.numbers', '007'), 'pgtap_number 7', 'which go by the long way'
);
alter table freshness_pgtap."Quo'tes" rename to renamed;
select is(
    freshness_pgtap.subscribe('freshness_pgtap.renamed', 'A'), 'pgtap_other A, pgtap_quote A',
    'and so does a table that was renamed'
);
create table freshness_pgtap."Quo'tes" (like freshness_pgtap.renamed including all);
grant select on freshness_pgtap."Quo'tes" to authenticated;
select is(
    freshness_pgtap.subscribe('freshness_pgtap."Quo''tes"', 'A'), null, 'a table that took its name is not taken for it'
);
do $$
begin
    perform freshness.renew_look('pgtap_quote');
    perform freshness.unregister_data_type('pgtap_other');
end
$$;
select ok(
    freshness_pgtap.is_written('freshness_pgtap.renamed') and not freshness_pgtap.is_written('pgtap_other'),
    'it is written anew when a name has changed, and when a data type goes'
);
select is(
    freshness_pgtap.subscribe('freshness_pgtap.renamed', 'B'), 'pgtap_quote B', 'then the short way is right again'
);

insert into freshness_pgtap.renamed values
('SOON', 1, clock_timestamp() - interval '59 minutes'), ('LATER', 1, clock_timestamp() - interval '58 minutes');
select is(
    freshness_pgtap.subscribe('freshness_pgtap.renamed', 'SOON'), 'pgtap_quote SOON',
    'a key that goes stale within a minute is watched at once'
);
select is(
    freshness_pgtap.subscribe('freshness_pgtap.renamed', 'LATER'), null, 'one that goes stale later by the next claim'
);

select * from finish();
rollback;
