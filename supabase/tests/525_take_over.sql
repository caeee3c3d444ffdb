begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(11);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type(
        'pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute', backoff_first => '1 hour',
        backoff_longest => '3 hours'
    );
end
$$;
insert into freshness.workers (name, heartbeat_limit, seen_at) values
('pgtap alive', '1 hour', now()), ('pgtap dead', '15 seconds', now() - interval '1 hour');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at, attempts, required_as_of)
select
    'pgtap_quote', k.symbol, 'infinity', 'running', coalesce(w.id, -1), nextval('freshness.fences'),
    now() - k.since, k.attempts, now()
from (
    values
    ('ALIVE', 'pgtap alive', 0, interval '1 minute'), ('DEAD', 'pgtap dead', 0, '1 minute'),
    ('AGAIN', 'pgtap dead', 3, '1 minute'), ('NOBODY', null, 0, '0'),
    ('HANDED', 'pgtap dead', 0, '0')
) as k (symbol, worker, attempts, since)
left join freshness.workers as w on w.name = k.worker;
insert into freshness.sleepers (channel, worker, data_types, listener, asleep_until, looked_at)
select w.name, w.id, array['pgtap_quote'], pg_backend_pid(), 'infinity', clock_timestamp()
from freshness.workers as w where w.name in ('pgtap alive', 'pgtap dead');
select ok(freshness.take_over() >= 3, 'what dead and unknown workers run is taken over');
select set_eq(
    $$ select symbol from freshness.jobs where data_type = 'pgtap_quote' and state = 'running' $$, array['ALIVE', 'HANDED'],
    'what a living one runs is not, nor what was handed over just now'
);
select set_eq(
    $$ select channel from freshness.sleepers where starts_with(channel, 'pgtap') $$, array['pgtap alive'],
    'nobody hands the dead anything more'
);
select set_eq(
    $$
    select symbol, attempts, due_at <= clock_timestamp()
    from freshness.jobs where data_type = 'pgtap_quote' and state <> 'running'
    $$,
    $$ values ('DEAD', 1, true), ('NOBODY', 1, true), ('AGAIN', 4, false) $$,
    'it is due at once, and after further deaths after a backoff'
);
select ok(
    not_before - clock_timestamp() between interval '89 minutes' and interval '3 hours',
    'the data type''s own'
) from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'AGAIN';
select is_empty(
    $$ select 1 from freshness.jobs where data_type = 'pgtap_quote' and required_as_of is null $$,
    'what was asked of it is not forgotten'
);
select set_eq(
    $$ select symbol from freshness.events where data_type = 'pgtap_quote' and kind = 'taken_over' $$,
    array['DEAD', 'NOBODY', 'AGAIN'], 'it is on record'
);
update freshness.jobs
set
    state = 'running', worker = -1, fence = nextval('freshness.fences'), started_at = now(), not_before = null,
    attempts = 4
where data_type = 'pgtap_quote' and symbol = 'AGAIN';
do $$
begin
    perform freshness.take_over();
end
$$;
select is(state::text, 'failed', 'a key that ends its workers max_attempts times is set aside')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'AGAIN';

-- The clock was set back after this worker was last heard of.
insert into freshness.workers (name, heartbeat_limit, seen_at)
values ('pgtap ahead', '15 seconds', now() + interval '1 hour');
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
select 'pgtap_quote', 'AHEAD', 'infinity', 'running', w.id, nextval('freshness.fences'), now()
from freshness.workers as w where w.name = 'pgtap ahead';
select is(freshness.take_over(), 0, 'a worker that was seen in the future has one heartbeat_limit more');
select ok(seen_at <= clock_timestamp(), 'and not until then') from freshness.workers where name = 'pgtap ahead';
update freshness.workers set seen_at = seen_at - interval '16 seconds' where name = 'pgtap ahead';
update freshness.jobs set started_at = now() - interval '16 seconds' where symbol = 'AHEAD';
select is(freshness.take_over(), 1, 'when that has passed it is dead');

select * from finish();
rollback;
