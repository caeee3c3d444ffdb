begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.broken (like freshness_pgtap.quotes including all);
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
do $$
begin
    perform freshness.register_data_type('pgtap_broken', 'freshness_pgtap.broken', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('FORCED', 1, now());
insert into freshness.watches (data_type, symbol, watcher, lease_until)
select 'pgtap_quote', s, 'user:1', now() + interval '1 hour' from unnest(array['WATCHED', 'FRESH']) as s;
insert into freshness.jobs (
    data_type, symbol, run_at, requested_at, required_as_of, unwatched_at, last_error, attempts
) values
('pgtap_quote', 'WATCHED', now(), null, null, null, null, 0),
('pgtap_quote', 'FRESH', now(), now(), null, null, 'x', 2),
('pgtap_quote', 'ASKED', now(), now(), null, null, null, 0),
('pgtap_quote', 'FORCED', now(), now(), now(), null, null, 0),
('pgtap_quote', 'LEFT', now(), null, null, null, null, 0),
('pgtap_quote', 'WARM', now(), null, null, now() - interval '59 seconds', null, 0),
('pgtap_quote', 'COLD', now(), null, null, now() - interval '61 seconds', null, 0),
('pgtap_broken', 'A', now(), now(), null, null, null, 0);
insert into freshness.listeners (data_type, symbol, backend, is_told_of_starts)
values ('pgtap_quote', 'WATCHED', pg_backend_pid(), false), ('pgtap_quote', 'ASKED', pg_backend_pid(), true);
drop table freshness_pgtap.broken;
create table freshness_pgtap.claimed as
select c.* from freshness_pgtap.worker as w
cross join lateral freshness.claim(w.id, array['pgtap_broken', 'pgtap_quote'], 10) as c;

select set_eq(
    $$ select symbol from freshness_pgtap.claimed $$, array['WATCHED', 'ASKED', 'FORCED'],
    'what is watched or asked for and stale is fetched, and fresh data only when that is asked for'
);
select is_empty(
    $$
    select 1 from freshness_pgtap.claimed as c
    full join freshness.jobs as j on j.data_type = c.data_type and j.symbol = c.symbol
    where
        j.state = 'running' and j.worker = (select id from freshness_pgtap.worker)
        and (j.fence, j.started_at) is distinct from (c.fence, c.started_at)
    $$, 'it gets the fence and the start that its job has'
);
select is((select count(distinct fence)::integer from freshness_pgtap.claimed), 3, 'each fence is its own');
select results_eq(
    $$
    select state::text, run_at, requested_at, attempts, last_error from freshness.jobs
    where data_type = 'pgtap_quote' and symbol = 'FRESH'
    $$,
    $$ values ('scheduled', now() + interval '1 minute', null::timestamptz, 0, null::text) $$,
    'fresh data satisfies a request, and waits for its deadline'
);
select ok(unwatched_at is not null and run_at = unwatched_at + interval '1 minute', 'what nobody watches stays warm')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'LEFT';
select is(run_at, now() + interval '1 second', 'for keep_warm since it was left')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'WARM';
select is_empty(
    $$ select 1 from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'COLD' $$, 'after that it goes away'
);
select ok(
    state = 'failed' and last_error like '%dropped%'
    and not_before between now() and clock_timestamp() + interval '1 minute',
    'a key whose table is gone is set aside for a minute, with the reason'
)
from freshness.jobs where data_type = 'pgtap_broken';
select set_eq(
    $$ select kind, symbol from freshness.events where data_type like 'pgtap%' $$,
    $$ values ('refreshing', 'ASKED'), ('failed', 'A') $$,
    'that is on record, and a start that somebody is told of; the others are known by their ends'
);

select * from finish();
rollback;
