begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('A', 1, now()), ('LATE', 1, now() - interval '1 hour'), ('GONE', 1, now());
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', s, 'user:1', now() + interval '1 hour' from unnest(array['A', 'LATE', 'RUNS']) as s;
insert into freshness.jobs (data_type, symbol, run_at) values
('pgtap_quote', 'LATE', now() + interval '1 day'), ('pgtap_quote', 'GONE', now() + interval '1 day');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
values ('pgtap_quote', 'RUNS', 'infinity', 'running', 1, nextval('freshness.fences'), now());

select set_eq(
    $$ select symbol, outcome from freshness.reconsider('pgtap_quote') $$,
    $$ values ('A', 'added'), ('LATE', 'moved'), ('GONE', 'unwatched'), ('RUNS', 'counted') $$,
    'a watched key gets its job, one that waits too long is moved, one that nobody watches may go'
);
select is(run_at, now() + interval '1 minute', 'a fresh key is added at its deadline')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'A';
select ok(due_at <= clock_timestamp(), 'one that waited too long is due')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'LATE';
select ok(
    due_at between now() + interval '1 minute' and clock_timestamp() + interval '1 minute',
    'one that nobody watches stays warm'
)
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'GONE';
select is_empty($$ select * from freshness.reconsider('pgtap_quote') $$, 'a second time nothing is to do');
select set_eq(
    $$ select symbol, outcome from freshness.reconsider('pgtap_quote', array['RUNS', 'A'], true) $$,
    $$ values ('RUNS', 'marked') $$, 'a running job is marked when its data changed'
);
insert into freshness.watches (data_type, symbol, watcher, lease_until)
values ('pgtap_quote', 'GONE', 'user:1', now() + interval '1 hour');
select set_eq(
    $$ select symbol, outcome from freshness.reconsider('pgtap_quote', array['GONE']) $$,
    $$ values ('GONE', 'moved') $$, 'a key that is watched again is taken back'
);
select is(run_at, now() + interval '1 minute', 'it waits for its deadline again')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'GONE';

select * from finish();
rollback;
