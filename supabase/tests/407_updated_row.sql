begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(24);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz, minutes integer);
create function freshness_pgtap.pulled() returns text
language sql as $$
    with taken as (delete from freshness.pulls where data_type like 'pgtap%' returning symbol)
    select coalesce(string_agg(coalesce(symbol, 'all'), ' ' order by symbol), '') from taken
$$;
create function freshness_pgtap.manner(p_table regclass) returns text
language sql as $$
    select string_agg(case when tgtype & 1 = 1 then 'row' else 'statement' end, ' ' order by tgname)
    from pg_trigger where tgrelid = p_table and tgname like 'freshness_update_%'
$$;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 hour');
end
$$;
insert into freshness_pgtap.quotes
select s, 1, now() - interval '10 minutes', 30 from unnest(array['A', 'B', 'C', 'D', 'UNWATCHED']) as s;
do $$
begin
    perform freshness.watch(array_fill('pgtap_quote'::text, array[4]), array['A', 'B', 'C', 'D'], 'user:1');
end
$$;
select is(freshness_pgtap.manner('freshness_pgtap.quotes'), 'row', 'updates are judged row by row');
select is(freshness_pgtap.pulled(), '', 'nothing has changed yet');
update freshness_pgtap.quotes set fetched_at = now() - interval '5 minutes', price = 2;
select is(freshness_pgtap.pulled(), '', 'rows that became fresher touch nothing');
update freshness_pgtap.quotes set fetched_at = now() - interval '6 minutes' where symbol in ('A', 'B', 'UNWATCHED');
select is(freshness_pgtap.pulled(), 'A B', 'rows that went back are pulled, if they have a job, though still fresh');
update freshness_pgtap.quotes set fetched_at = now() + interval '30 seconds' where symbol = 'A';
select is(freshness_pgtap.pulled(), '', 'a little ahead of the clock is now');
update freshness_pgtap.quotes set fetched_at = 'infinity' where symbol = 'A';
select is(freshness_pgtap.pulled(), 'A', 'far ahead of it is none');
update freshness_pgtap.quotes set fetched_at = null where symbol = 'B';
select is(freshness_pgtap.pulled(), 'B', 'a row that lost its timestamp is pulled');
update freshness_pgtap.quotes set price = 3 where symbol = 'B';
select is(freshness_pgtap.pulled(), '', 'but not again when it still has none');
update freshness_pgtap.quotes set symbol = 'b', fetched_at = now() where symbol = 'B';
select is(freshness_pgtap.pulled(), 'B', 'a renamed row is pulled under its old symbol, even without a timestamp');
update freshness_pgtap.quotes set symbol = 'E', fetched_at = now() where symbol = 'D';
select is(freshness_pgtap.pulled(), 'D', 'and with one');
insert into freshness_pgtap.quotes values ('C', 1, now() - interval '7 minutes')
on conflict (symbol) do update set fetched_at = excluded.fetched_at;
select is(freshness_pgtap.pulled(), 'C', 'an insert that became an update is one');
merge into freshness_pgtap.quotes as q using (values ('C')) as v (symbol) on q.symbol = v.symbol
when matched then update set fetched_at = q.fetched_at - interval '1 minute';
select is(freshness_pgtap.pulled(), 'C', 'so is a merge');

do $$
begin
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 hour', ttl_column => 'minutes'
    );
end
$$;
select is(freshness_pgtap.pulled(), 'all', 'registered with a column for its own ttl');
update freshness_pgtap.quotes set minutes = 20 where symbol = 'C';
select is(freshness_pgtap.pulled(), 'C', 'a row with a shorter ttl is pulled');
update freshness.data_types set ttl_column = null where name = 'pgtap_quote';
update freshness_pgtap.quotes set minutes = 10 where symbol = 'C';
select is(freshness_pgtap.pulled(), 'all', 'the registry changed directly changes the condition');

insert into freshness_pgtap.quotes select 'S' || n, 1, now(), null from generate_series(1, 600) as n;
do $$
begin
    perform freshness.watch(array_fill('pgtap_quote'::text, array[50]), array_agg('S' || n), 'user:1')
    from generate_series(1, 50) as n;
    set constraints all immediate;
    perform freshness_pgtap.pulled();
end
$$;
update freshness_pgtap.quotes set fetched_at = now() - interval '1 hour';
select alike(freshness_pgtap.pulled(), 'A C S1 %S50 S6 S7 S8 S9', 'of more rows than 500 each that is watched is pulled');
update freshness_pgtap.quotes set fetched_at = now() - interval '2 hours' where symbol in ('S7', 'S70');
select is(freshness_pgtap.pulled(), 'S7', 'and so are those of further statements');

create table freshness_pgtap.dates (day date, fetched_at timestamp, symbol varchar(9) primary key);
do $$
begin
    perform freshness.register_data_type(
        'pgtap_date', 'freshness_pgtap.dates', ttl => '1 week', timestamp_column => 'day', time_zone => 'Asia/Tokyo'
    );
    perform freshness.register_data_type(
        'pgtap_local', 'freshness_pgtap.dates', ttl => '1 week', symbol_column => null, time_zone => 'Asia/Tokyo'
    );
end
$$;
select is(freshness_pgtap.manner('freshness_pgtap.dates'), 'row row', 'two data types of one table');
insert into freshness_pgtap.dates values (now() - interval '2 days', now() - interval '2 days', 'X');
do $$
begin
    perform freshness.watch(array['pgtap_date', 'pgtap_local'], array['X', 'GLOBAL'], 'user:1');
    perform freshness_pgtap.pulled();
end
$$;
update freshness_pgtap.dates set day = day - 1;
select is(freshness_pgtap.pulled(), 'X', 'concern each its own timestamp');
select lives_ok(
    $$ update freshness_pgtap.dates set day = '5874897-12-31', fetched_at = '294276-12-31 23:59:59' $$,
    'a time that cannot be converted keeps no writer from writing'
);

create table freshness_pgtap.parted (symbol text, fetched_at timestamptz, primary key (symbol))
partition by list (symbol);
create table freshness_pgtap.parted_a partition of freshness_pgtap.parted for values in ('A');
create table freshness_pgtap.parted_b partition of freshness_pgtap.parted default;
create function freshness_pgtap.next(timestamptz, interval) returns timestamptz
language sql as $$ select $1 + $2 $$;
create table freshness_pgtap.child () inherits (freshness_pgtap.dates);
create table freshness_pgtap.odd (symbol text primary key, fetched_at timestamptz);
insert into freshness_pgtap.parted values ('A', now());
do $$
begin
    perform freshness.register_data_type('pgtap_parted', 'freshness_pgtap.parted', ttl => '1 hour');
    perform freshness.register_data_type(
        'pgtap_odd', 'freshness_pgtap.odd', ttl => '1 hour', deadline_function => 'freshness_pgtap.next'
    );
    perform freshness.attach_data_triggers('pgtap_date');
    perform freshness.watch(array['pgtap_parted'], array['A'], 'user:1');
    perform freshness_pgtap.pulled();
end
$$;
update freshness_pgtap.parted set symbol = 'B';
select is(freshness_pgtap.pulled(), 'A', 'a row that moves to another partition is noticed');
select is(
    freshness_pgtap.manner('freshness_pgtap.parted') || ' ' || freshness_pgtap.manner('freshness_pgtap.odd'),
    'statement statement', 'a partitioned table and a deadline function of one''s own are judged by the statement'
);
select is(freshness_pgtap.manner('freshness_pgtap.dates'), 'statement row', 'so is a table that has got child tables');

select throws_like(
    $$ alter table freshness_pgtap.quotes alter column symbol type varchar $$,
    'cannot alter type of a column used in a trigger definition', 'a column that the condition reads keeps its type'
);

select * from finish();
rollback;
