begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(3);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('LATE', 1, now() - interval '1 hour');
insert into freshness.watches (data_type, symbol, watcher, lease_until)
values ('pgtap_quote', 'LATE', 'user:1', now() + interval '1 hour');
insert into freshness.jobs (data_type, symbol, run_at) values
('pgtap_quote', 'LATE', now() + interval '1 day'), ('pgtap_quote', 'OTHER', now() + interval '1 day');

select set_eq(
    $$ select symbol, outcome from freshness.reconsider_once('pgtap_quote', array['LATE'], false) $$,
    $$ values ('LATE', 'moved') $$, 'a job that nobody else moves is put right at the first look'
);
select is(viewers, 1, 'with what was seen') from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'LATE';
select is(unwatched_at, null, 'and no other key''s')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'OTHER';

select * from finish();
rollback;
