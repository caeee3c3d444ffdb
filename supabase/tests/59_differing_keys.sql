begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('LATE', 1, now()), ('RIGHT', 1, now());
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', s, 'user:1', now() + interval '1 hour'
from unnest(array['NEW', 'LATE', 'RIGHT', 'INBOX', 'SEEN', 'DUE']) as s;
insert into freshness.jobs (data_type, symbol, run_at, viewers) values
('pgtap_quote', 'LATE', now() + interval '1 day', 1), ('pgtap_quote', 'RIGHT', now() + interval '1 minute', 1),
('pgtap_quote', 'LEFT', now() + interval '1 minute', 0), ('pgtap_quote', 'SEEN', now(), 0),
('pgtap_quote', 'DUE', now(), 1);
delete from freshness.pulls;
insert into freshness.pulls (data_type, symbol, reason) values ('pgtap_quote', 'INBOX', 'watched');
select is(
    freshness.differing_keys('pgtap_quote'), array['LATE', 'LEFT', 'NEW', 'SEEN'],
    'keys without a job, too late, not watched any more, or seen by another number'
);
do $$
begin
    perform freshness.sweep_keys('pgtap_quote', freshness.differing_keys('pgtap_quote'));
end
$$;
select is(freshness.differing_keys('pgtap_quote'), '{}', 'none once they were reconsidered');

select * from finish();
rollback;
