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
insert into freshness_pgtap.quotes values
('RIGHT', 1, now()), ('LATE', 1, now()), ('EARLY', 1, now()), ('VERIFIED', 1, now() - interval '1 hour'),
('AHEAD', 1, now() + interval '1 day');
insert into freshness.jobs (data_type, symbol, run_at, stored_at, verified_at) values
('pgtap_quote', 'RIGHT', now() + interval '1 minute', now(), null),
('pgtap_quote', 'LATE', now() + interval '61 seconds', now(), null),
('pgtap_quote', 'EARLY', now() + interval '1 second', now(), null),
('pgtap_quote', 'VERIFIED', now() + interval '1 minute', now() - interval '1 hour', now()),
('pgtap_quote', 'AHEAD', now() + interval '1 second', null, null),
('pgtap_quote', 'NO ROW', now() + interval '1 second', null, null),
('pgtap_quote', 'DUE', now(), null, null);
select bag_eq(
    $$ select unnest(freshness.doubtful_keys('pgtap_quote')) $$, array['LATE', 'AHEAD', 'NO ROW'],
    'a key that waits too long, or whose rows do not say plainly how long it may'
);
update freshness.jobs set stored_at = now() where symbol = 'VERIFIED' and data_type = 'pgtap_quote';
select ok(
    'VERIFIED' = any (freshness.doubtful_keys('pgtap_quote')),
    'what was verified counts only while the rows are those'
);
update freshness.data_types set refresh_ahead = '10 seconds' where name = 'pgtap_quote';
select ok('RIGHT' = any (freshness.doubtful_keys('pgtap_quote')), 'refresh_ahead counts');
alter table freshness_pgtap.quotes drop constraint quotes_pkey;
select is(freshness.doubtful_keys('pgtap_quote'), null, 'where a symbol can have several rows all are looked at');
alter table freshness_pgtap.quotes add primary key (symbol);
alter table freshness_pgtap.quotes rename column fetched_at to at;
select is(freshness.doubtful_keys('pgtap_quote'), null, 'and where the table is not what it was');

select * from finish();
rollback;
