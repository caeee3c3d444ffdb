begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(5);

create schema freshness_pgtap;
create table freshness_pgtap.alone (symbol text primary key, price numeric, fetched_at timestamptz);
create table freshness_pgtap.shared (symbol text primary key, price numeric, fetched_at timestamptz);
create table freshness_pgtap.dropped (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_alone', 'freshness_pgtap.alone', ttl => '1 hour');
    perform freshness.register_data_type('pgtap_first', 'freshness_pgtap.shared', ttl => '1 hour');
    perform freshness.register_data_type('pgtap_second', 'freshness_pgtap.shared', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_dropped', 'freshness_pgtap.dropped', ttl => '1 hour');
end
$$;
alter table freshness_pgtap.dropped drop column symbol cascade;
create function pg_temp.written(p_table text) returns text
language sql as $$
    select substring(freshness.watch_subscribed_keys() from 'v_row.data_table = ''freshness_pgtap.' || p_table || '''.*?\n    end if;')
$$;
select matches(pg_temp.written('alone'), '''pgtap_alone''', 'a registered table has its statements');
select matches(pg_temp.written('alone'), '''fresh''', 'a fresh key of its only data type is left to the inbox');
select matches(pg_temp.written('shared'), '''pgtap_first''.*''pgtap_second''', 'all data types of a table are watched');
select doesnt_match(pg_temp.written('shared'), '''fresh''', 'and then none is left to the inbox');
select is(pg_temp.written('dropped'), null, 'a table without its column goes by the long way');

select * from finish();
rollback;
