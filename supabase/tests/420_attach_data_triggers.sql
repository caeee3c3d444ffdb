begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.bare (like freshness_pgtap.quotes including all);
create function freshness_pgtap.triggers() returns text
language sql as $$
    select array_agg(tgname order by tgname)::text from pg_trigger where tgrelid = 'freshness_pgtap.bare'::regclass
$$;
do $$
begin
    perform freshness.register_data_type('pgtap_bare', 'freshness_pgtap.bare', ttl => '1 minute', triggers => false);
end
$$;
select is(freshness_pgtap.triggers(), null, 'a data table can be left without our triggers');
do $$
begin
    perform freshness.attach_data_triggers('pgtap_bare');
    perform freshness.attach_data_triggers('pgtap_bare');
    perform freshness.register_data_type(
        'pgtap_second', 'freshness_pgtap.bare', ttl => '1 hour', timestamp_column => 'fetched_at'
    );
end
$$;
select is(
    freshness_pgtap.triggers(),
    '{freshness_delete_pgtap_bare,freshness_delete_pgtap_second,freshness_insert_pgtap_bare,'
    'freshness_insert_pgtap_second,freshness_truncate_pgtap_bare,freshness_truncate_pgtap_second,'
    'freshness_update_pgtap_bare,freshness_update_pgtap_second}',
    'attached twice they are there once, for each data type of the table'
);
create trigger not_ours after insert on freshness_pgtap.bare
for each statement execute function public.check_staleness_on_update();
do $$
begin
    perform freshness.detach_data_triggers('pgtap_second');
end
$$;
select is(
    freshness_pgtap.triggers(),
    '{freshness_delete_pgtap_bare,freshness_insert_pgtap_bare,freshness_truncate_pgtap_bare,'
    'freshness_update_pgtap_bare,not_ours}',
    'then those of one data type go, and others stay'
);
do $$
begin
    perform freshness.register_data_type('pgtap_bare', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select is(freshness_pgtap.triggers(), '{not_ours}', 'they leave a table that is not the data type''s any more');

select * from finish();
rollback;
