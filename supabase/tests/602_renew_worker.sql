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
create table freshness_pgtap.workers as
select freshness.announce_worker('a', interval '7 seconds') as id, array[1, 2]::bigint[] as fences, null::bigint as new;
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
select 'pgtap_quote', k.symbol, 'infinity', 'running', w.id, k.fence, now()
from freshness_pgtap.workers as w
cross join (values ('KNOWN', 1), ('LOST', 3)) as k (symbol, fence);
update freshness_pgtap.workers set new = freshness.renew_worker(id, fences);

select ok(not exists (select from freshness.workers as k where k.id = w.id), 'the old id is not known any more')
from freshness_pgtap.workers as w;
select is(k.name || ' ' || k.heartbeat_limit, 'a 00:00:07', 'the new one has its name and heartbeat limit')
from freshness_pgtap.workers as w join freshness.workers as k on k.id = w.new;
select is(j.worker, w.new, 'what the worker knows goes on under the new id')
from freshness_pgtap.workers as w join freshness.jobs as j on j.data_type = 'pgtap_quote' and j.fence = 1;
select ok(state = 'scheduled' and due_at <= clock_timestamp() and attempts = 0, 'what it does not know is handed back')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'LOST';
select throws_ok(
    format('select * from freshness.claim(%s, array[''pgtap_quote''], 1)', w.id), 'FR004', null,
    'a claim of the old id that arrives late is refused'
) from freshness_pgtap.workers as w;
select throws_ok(
    'select freshness.renew_worker(-1, ''{}'')', 'FR004', null, 'one that nobody knows is told so'
);

select * from finish();
rollback;
