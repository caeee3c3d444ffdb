begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.workers as select freshness.announce_worker(n) as id, n from unnest(array['a', 'b']) as n;
create function freshness_pgtap.worker(p_name text) returns bigint
language sql as $$ select id from freshness_pgtap.workers where n = p_name $$;
update freshness.workers set seen_at = now() - interval '1 minute' where id in (select id from freshness_pgtap.workers);
select ok(freshness.heartbeat(freshness_pgtap.worker('a')), 'a worker says that it is alive');
select ok(seen_at >= now(), 'which is noted') from freshness.workers where id = freshness_pgtap.worker('a');
select ok(not freshness.heartbeat(-1), 'one that nobody knows is told so');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
values ('pgtap_quote', 'RUNS', 'infinity', 'running', freshness_pgtap.worker('b'), nextval('freshness.fences'), now());
select is(freshness.dismiss_worker(freshness_pgtap.worker('b')), 1, 'a worker that leaves hands back what it runs');
select ok(state = 'scheduled' and due_at <= clock_timestamp() and attempts = 0, 'which is due at once, and no failure')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'RUNS';
select ok(not freshness.heartbeat(freshness_pgtap.worker('b')), 'it is not known any more');

select * from finish();
rollback;
