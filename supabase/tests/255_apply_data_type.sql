begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('A', 1, now());
select * from freshness.watch(array['pgtap_quote'], array['A'], 'user:1') \g /dev/null
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
create function freshness_pgtap.claimed() returns bigint language sql as $$
    select count(*) from freshness_pgtap.worker as w
    cross join lateral freshness.claim(w.id, array['pgtap_quote'], 10)
$$;
select freshness_pgtap.claimed() \g /dev/null
update freshness.data_types set source = 'elsewhere' where name = 'pgtap_quote';
select is_empty($$ select 1 from freshness.pulls where data_type = 'pgtap_quote' $$, 'a source concerns no deadline');
update freshness.data_types set ttl = '30 seconds' where name = 'pgtap_quote';
select is(run_at, now() + interval '1 minute', 'a shorter ttl locks no job')
from freshness.jobs where data_type = 'pgtap_quote';
select is(freshness_pgtap.claimed(), 0::bigint, 'but is folded by the next claim');
select is(run_at, now() + interval '30 seconds', 'so that the deadline comes earlier')
from freshness.jobs where data_type = 'pgtap_quote';
update freshness.data_types set refresh_ahead = '10 seconds', jitter = '1 microsecond' where name = 'pgtap_quote';
select freshness_pgtap.claimed() \g /dev/null
select ok(run_at between now() + interval '19.9 seconds' and now() + interval '20 seconds', 'so does refresh_ahead')
from freshness.jobs where data_type = 'pgtap_quote';
alter table freshness_pgtap.quotes add column at timestamptz default now() - interval '1 hour';
update freshness.data_types set timestamp_column = 'at' where name = 'pgtap_quote';
select is(freshness_pgtap.claimed(), 1::bigint, 'another timestamp column counts from then on');

delete from freshness.pulls;
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', 'N' || n, 'user:1', now() + interval '1 hour' from generate_series(1, 3) as n;
update freshness.data_types set ttl = '20 seconds' where name = 'pgtap_quote';
select results_eq(
    $$ select symbol, reason from freshness.pulls where data_type = 'pgtap_quote' $$,
    $$ values (null::text, 'all keys') $$, 'however many keys there are, one pull stands for them'
);
select is(freshness.keys_after('pgtap_quote', '', 2), array['A', 'N1'], 'which are looked at in slices, in order');
select is(freshness.keys_after('pgtap_quote', 'N1', 5), array['N2', 'N3'], 'to the last');

select * from finish();
rollback;
