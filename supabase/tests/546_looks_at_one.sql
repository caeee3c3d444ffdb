begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create function freshness_pgtap.closed_until(symbol text) returns timestamptz
language sql as $$ select null::timestamptz $$;
delete from freshness.data_types;
select unalike(freshness.looks_at_one(), '%t.data_type%', 'without data types there is nothing to look at');
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select matches(freshness.looks_at_one(), 'if t.data_type = ''pgtap_quote'' then', 'each data type has a look');
update freshness.data_types set not_before_function = 'freshness_pgtap.closed_until' where name = 'pgtap_quote';
select unalike(freshness.looks_at_one(), '%t.data_type%', 'but those whose functions have to be asked at the claim');
update freshness.data_types set not_before_function = null where name = 'pgtap_quote';
alter table freshness_pgtap.quotes drop column fetched_at cascade;
select unalike(freshness.looks_at_one(), '%t.data_type%', 'and those whose columns are gone');

select * from finish();
rollback;
