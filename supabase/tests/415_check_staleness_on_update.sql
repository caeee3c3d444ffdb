begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(12);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes
select s, 1, now() from unnest(array['OLDER', 'NEWER', 'DELETED', 'RENAMED', 'UNWATCHED', 'SAME']) as s;
do $$
begin
    perform freshness.watch(
        array_fill('pgtap_quote'::text, array[5]), array['OLDER', 'NEWER', 'DELETED', 'RENAMED', 'SAME'], 'user:1'
    );
end
$$;
create function freshness_pgtap.pulled() returns text[]
language sql as $$
    with taken as (delete from freshness.pulls where data_type like 'pgtap%' returning symbol)
    select coalesce(array_agg(symbol order by symbol), '{}') from taken
$$;
select is(freshness_pgtap.pulled(), '{}', 'nothing has changed yet');
update freshness_pgtap.quotes set fetched_at = now() + interval '1 second' where symbol = 'NEWER';
select is(freshness_pgtap.pulled(), '{}', 'a row that became fresher touches nothing');
update freshness_pgtap.quotes set price = 2 where symbol = 'SAME';
select is(freshness_pgtap.pulled(), '{}', 'nor does one whose timestamp stays');
update freshness_pgtap.quotes set fetched_at = now() - interval '1 hour' where symbol in ('OLDER', 'UNWATCHED');
select is(freshness_pgtap.pulled(), '{OLDER}', 'a key whose row went back in time is pulled, if it has a job');
delete from freshness_pgtap.quotes where symbol = 'DELETED';
select is(freshness_pgtap.pulled(), '{DELETED}', 'so is one whose row was deleted');
update freshness_pgtap.quotes set symbol = 'OTHER' where symbol = 'RENAMED';
select is(freshness_pgtap.pulled(), '{RENAMED}', 'and one whose row was renamed');
insert into freshness_pgtap.quotes values ('NEW', 1, now() - interval '1 hour');
select is(freshness_pgtap.pulled(), '{}', 'a row that nobody watches concerns nobody');
update freshness_pgtap.quotes set fetched_at = null where symbol = 'SAME';
select is(freshness_pgtap.pulled(), '{SAME}', 'a row that lost its timestamp is pulled');

create table freshness_pgtap.by_row (symbol integer primary key, fetched_at timestamptz);
create trigger by_row after insert or update or delete on freshness_pgtap.by_row
for each row execute function public.check_staleness_on_update();
do $$
begin
    perform freshness.register_data_type(
        'pgtap_by_row', 'freshness_pgtap.by_row', ttl => '1 minute', triggers => false
    );
    insert into freshness_pgtap.by_row values (7, now());
    perform freshness.watch(array['pgtap_by_row'], array['007'], 'user:1');
end
$$;
select is(freshness_pgtap.pulled(), '{}', 'for each row: an insert of fresh data touches nothing');
update freshness_pgtap.by_row set fetched_at = now() - interval '1 hour';
select is(freshness_pgtap.pulled(), '{7}', 'for each row: a row that went back is pulled');
delete from freshness_pgtap.by_row;
select is(freshness_pgtap.pulled(), '{7}', 'for each row: so is one that was deleted');

alter table freshness_pgtap.quotes rename column symbol to ticker;
select lives_ok($$ update freshness_pgtap.quotes set price = 3 $$, 'a writer never fails because of us');

select * from finish();
rollback;
