begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_source('pgtap_api', calls_per_minute => 2);
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', source => 'pgtap_api');
end
$$;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
insert into freshness_pgtap.quotes values ('FRESH', 1, now());
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', s, 'user:1', now() + interval '1 hour' from unnest(array['FRESH', 'A', 'B', 'C']) as s;
insert into freshness.jobs (data_type, symbol, run_at)
select 'pgtap_quote', s, now() - interval '1 second' from unnest(array['FRESH', 'A', 'B', 'C']) as s;
create function freshness_pgtap.claim() returns bigint
language sql as $$
    select count(*)
    from freshness_pgtap.worker as w cross join lateral freshness.claim_in_rounds(w.id, '{pgtap_quote}', 3, '0') as c
$$;
select is(freshness_pgtap.claim(), 2::bigint, 'it claims what a source that is short allows');
select is(freshness_pgtap.claim(), 0::bigint, 'and then nothing');
select isnt(s.opens_at, null, 'which it writes down') from freshness.sources as s where s.name = 'pgtap_api';

select * from finish();
rollback;
