begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(17);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz, minutes integer);
do $$
begin
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 hour', ttl_column => 'minutes'
    );
end
$$;
insert into freshness_pgtap.quotes
select s, 1, now() - interval '10 minutes', 30 from unnest(array['A', 'B', 'C', 'D', 'UNWATCHED']) as s;
do $$
begin
    perform freshness.watch(array_fill('pgtap_quote'::text, array[4]), array['A', 'B', 'C', 'D'], 'user:1');
end
$$;
create function freshness_pgtap.pulled() returns text
language sql as $$
    with taken as (delete from freshness.pulls where data_type = 'pgtap_quote' returning symbol)
    select coalesce(string_agg(coalesce(symbol, 'all'), ' ' order by symbol), '') from taken
$$;
select is(freshness_pgtap.pulled(), '', 'nothing has changed yet');

update freshness_pgtap.quotes set fetched_at = now() where symbol = 'A';
select is(freshness_pgtap.pulled(), '', 'one row that became fresher');
update freshness_pgtap.quotes set fetched_at = now() - interval '5 minutes';
select alike(freshness_pgtap.pulled(), '%A%', 'several rows, of which one went back');
update freshness_pgtap.quotes set fetched_at = now() - interval '1 minute';
select is(freshness_pgtap.pulled(), '', 'several rows that became fresher');
update freshness_pgtap.quotes set fetched_at = now() - interval '2 minutes' where symbol = 'B';
select is(freshness_pgtap.pulled(), 'B', 'one row that went back');
update freshness_pgtap.quotes set fetched_at = null where symbol = 'C';
select is(freshness_pgtap.pulled(), 'C', 'one row that lost its timestamp');
update freshness_pgtap.quotes set fetched_at = now() + interval '1 day' where symbol = 'D';
select is(freshness_pgtap.pulled(), 'D', 'one row that went to the future');
update freshness_pgtap.quotes set fetched_at = now() where symbol in ('C', 'D');
select alike(freshness_pgtap.pulled(), '%D%', 'one row that came back from the future, among others');
update freshness_pgtap.quotes set minutes = 20 where symbol = 'A';
select is(freshness_pgtap.pulled(), 'A', 'one row with a shorter ttl of its own');
update freshness_pgtap.quotes set minutes = case when symbol = 'B' then 10 else minutes end;
select alike(freshness_pgtap.pulled(), '%B%', 'several rows, of which one has a shorter ttl of its own');
update freshness_pgtap.quotes set fetched_at = now() where false;
select is(freshness_pgtap.pulled(), '', 'no row at all');
update freshness_pgtap.quotes set symbol = 'OTHER' where symbol = 'C';
select is(freshness_pgtap.pulled(), 'C', 'one row that was renamed');
delete from freshness_pgtap.quotes where symbol in ('D', 'UNWATCHED');
select is(freshness_pgtap.pulled(), 'D', 'a row that was deleted, if somebody watches it');
insert into freshness_pgtap.quotes values ('D', 1, now(), null);
select is(freshness_pgtap.pulled(), '', 'a row that arrives fresh');
truncate freshness_pgtap.quotes;
select is(freshness_pgtap.pulled(), 'all', 'a table that was emptied');

do $$
begin
    perform freshness.detach_data_triggers('pgtap_quote');
end
$$;
alter table freshness_pgtap.quotes alter column fetched_at type timestamp using fetched_at at time zone 'UTC';
do $$
begin
    perform freshness.attach_data_triggers('pgtap_quote');
end
$$;
select lives_ok(
    $$
        insert into freshness_pgtap.quotes values ('A', 1, now(), null), ('B', 1, now(), null);
        update freshness_pgtap.quotes set fetched_at = now() - interval '1 minute' where symbol = 'A'
    $$,
    'a column that got another type keeps no writer from writing'
);
alter table freshness_pgtap.quotes drop column fetched_at cascade;
select lives_ok($$ update freshness_pgtap.quotes set price = 3 $$, 'nor does one that is gone');

select * from finish();
rollback;
