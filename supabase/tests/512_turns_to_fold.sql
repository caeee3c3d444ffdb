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
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', 'N' || n, 'user:1', now() + interval '1 hour' from generate_series(1, 5001) as n;
insert into freshness.pulls (data_type, symbol, reason)
select 'pgtap_quote', 'N' || n, 'watched' from generate_series(1, 21) as n;
select is(freshness.turns_to_fold(10), 2, 'so many pulls take three times');
insert into freshness.pulls (data_type, reason) values ('pgtap_quote', 'all keys');
select is(freshness.turns_to_fold(10), 4, 'all keys take two more');

delete from freshness.pulls;
select is(freshness.seconds_until_fold(), null, 'an empty inbox needs no claim');
insert into freshness.pulls (due_at, data_type, symbol, reason) values (now() + interval '1 hour', 'pgtap_quote', 'A', 'fresh');
select ok(freshness.seconds_until_fold() between 3500 and 3600, 'what has time is waited for');
insert into freshness.pulls (data_type, symbol, reason) values ('pgtap_quote', 'A', 'locked');
select is(freshness.seconds_until_fold(), 0.25::double precision, 'what could not be done is tried again soon');

select * from finish();
rollback;
