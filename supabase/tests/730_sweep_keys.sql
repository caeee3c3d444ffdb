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
values ('pgtap_quote', 'A', 'user:1', now() + interval '1 hour');
insert into freshness.jobs (data_type, symbol, run_at, viewers) values ('pgtap_quote', 'LEFT', now(), 0);
select is(
    freshness.sweep_keys('pgtap_quote', array['A', 'LEFT'], false)::text, '(1,1,0,0)', 'a slice says what was to do'
);
select is(freshness.sweep_keys('pgtap_quote', array['A', 'LEFT'], false)::text, '(0,0,0,0)', 'and once more nothing');
delete from freshness.jobs where data_type = 'pgtap_quote';
select is(
    freshness.sweep_keys('pgtap_quote', array['A', 'LEFT'], true)::text, '(1,0,0,0)', 'a watched key gets its job'
);
select is(
    row(j.viewers, j.due_at <= clock_timestamp())::text, '(1,t)', 'due when it has no rows'
)
from freshness.jobs as j where j.data_type = 'pgtap_quote';
select is(freshness.add_jobs('pgtap_quote', array['A', 'LEFT']), 0, 'no job is added twice, or for nobody');

select * from finish();
rollback;
