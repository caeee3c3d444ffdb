begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
insert into freshness.jobs (data_type, symbol, run_at, requested_at, state, worker, fence, started_at)
select 'pgtap_quote', k.symbol, 'infinity', now(), 'running', w.id, k.fence, now()
from freshness_pgtap.worker as w cross join (values ('REFUSED', 1), ('TOLD', 2), ('RUNS', 3)) as k (symbol, fence);
insert into freshness.listeners (data_type, symbol, backend, is_told_of_starts)
values ('pgtap_quote', 'TOLD', pg_backend_pid(), true);

select is(freshness.hand_back(id, array[1, 2, 99]), 2, 'what was handed over goes back') from freshness_pgtap.worker;
select set_eq(
    $$
    select symbol from freshness.jobs
    where
        data_type = 'pgtap_quote' and state = 'scheduled' and due_at <= clock_timestamp() and attempts = 0
        and requested_at is not null
    $$,
    array['REFUSED', 'TOLD'], 'it is due at once, still asked for, and no failure'
);
select is(state::text, 'running', 'what the worker began with goes on') from freshness.jobs where symbol = 'RUNS';
select set_eq(
    $$ select symbol from freshness.events where data_type = 'pgtap_quote' and kind = 'handed_back' $$, array['TOLD'],
    'whoever was told of the start is told'
);
select is(freshness.hand_back(id + 1, array[3]), 0, 'nobody hands back what runs for another')
from freshness_pgtap.worker;

update freshness.workers set seen_at = now() - interval '1 hour';
select lives_ok(
    $$ select freshness.taken_up(id, array['pgtap_quote']) from freshness_pgtap.worker $$, 'a worker begins'
);
select ok(seen_at >= now(), 'and is heard of') from freshness.workers where name = 'pgtap';

select * from finish();
rollback;
