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
    d::text, '({NEW},"{LATE,LEFT,SEEN}")',
    'keys without a job; and those that are too late, not watched any more, or seen by another number'
)
from freshness.differing_keys('pgtap_quote') as d;
create table freshness_pgtap.slices as
select missing.mended as added, others.mended as moved
from freshness.differing_keys('pgtap_quote') as d
cross join lateral freshness.sweep_keys('pgtap_quote', d.missing, true) as missing
cross join lateral freshness.sweep_keys('pgtap_quote', d.others, false) as others;
select is(s::text, '(1,1)', 'each is mended') from freshness_pgtap.slices as s;
select is(d::text, '({},{})', 'none differs once they were')
from freshness.differing_keys('pgtap_quote') as d;
-- Measured anew, refresh_ahead calls for earlier moments: nothing was missed.
update freshness.data_types set refresh_ahead_is_auto = true where name = 'pgtap_quote';
delete from freshness.pulls where reason = 'all keys';
update freshness.jobs set fresh_until = run_at where data_type = 'pgtap_quote' and symbol = 'RIGHT';
update freshness.data_types set refresh_ahead = '20 seconds' where name = 'pgtap_quote';
select is(d::text, '({},{})', 'a new refresh_ahead does not count for keys that were looked at before')
from freshness.differing_keys('pgtap_quote') as d;
update freshness.jobs set run_at = now() + interval '2 minutes' where data_type = 'pgtap_quote' and symbol = 'RIGHT';
select is(d::text, '({},{RIGHT})', 'one that waits beyond its deadline differs all the same')
from freshness.differing_keys('pgtap_quote') as d;

select * from finish();
rollback;
