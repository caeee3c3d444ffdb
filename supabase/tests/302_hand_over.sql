begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(26);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create table freshness_pgtap.metered (like freshness_pgtap.quotes including all);
do $$
begin
    perform freshness.register_source('pgtap', calls_per_minute => 1000);
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_metered', 'freshness_pgtap.metered', ttl => '1 minute', source => 'pgtap'
    );
end
$$;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap', '15 seconds', true) as id;
-- As in a transaction that has handed nothing over, with one worker asleep.
create function freshness_pgtap.begin_anew() returns void
language sql as $$
    select set_config('freshness.has_handed_over', '', true);
    delete from freshness.jobs;
    delete from freshness.sleepers;
    update freshness.workers set takes_jobs = true;
    insert into freshness.sleepers (channel, worker, data_types, listener, asleep_until, looked_at)
    select 'pgtap', w.id, array['pgtap_quote', 'pgtap_metered'], pg_backend_pid(), 'infinity', clock_timestamp()
    from freshness_pgtap.worker as w
$$;
create function freshness_pgtap.is_handed_over(p_symbol text) returns boolean
language sql as $$
    select j.state = 'running' and j.worker = (select w.id from freshness_pgtap.worker as w)
    from freshness.jobs as j where j.symbol = p_symbol
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour');

select freshness_pgtap.begin_anew();
select set_eq(
    $$ select * from freshness.request('pgtap_quote', array['OLD']) $$, $$ values ('OLD', true) $$,
    'one stale key is asked for'
);
select ok(freshness_pgtap.is_handed_over('OLD'), 'it runs for the sleeper when it has been asked for');
select ok(
    num_nulls(fence, started_at, waited) = 0 and run_at = 'infinity' and stored_at = now() - interval '1 hour',
    'as if it had claimed it'
) from freshness.jobs where symbol = 'OLD';
select is(asleep_until, 'infinity', 'which goes on sleeping') from freshness.sleepers where channel = 'pgtap';
select * from freshness.request('pgtap_quote', array['SECOND']);
select ok(not freshness_pgtap.is_handed_over('SECOND'), 'a transaction hands over one job');
savepoint before;
select freshness_pgtap.begin_anew();
select * from freshness.request('pgtap_quote', array['UNDONE']);
rollback to savepoint before;
select is_empty($$ select from freshness.jobs where symbol = 'UNDONE' $$, 'what is undone is not handed over');

select freshness_pgtap.begin_anew();
select * from freshness.request('pgtap_quote', array['FRESH'], true);
select ok(freshness_pgtap.is_handed_over('FRESH'), '"refresh now" hands over a fresh key');
select ok(required_as_of <= started_at, 'whose fetch begins after it') from freshness.jobs where symbol = 'FRESH';
select ok(finished.outcome = 'missing' or finished.due_in > 0, 'and is enough for it')
from freshness.jobs as j
cross join lateral freshness.finish('pgtap_quote', 'FRESH', j.fence, '[{"price": 2}]') as finished
where j.symbol = 'FRESH';
select freshness_pgtap.begin_anew();
select * from freshness.request('pgtap_quote', array['FRESH'], true);
select * from freshness.request('pgtap_quote', array['FRESH'], true);
select ok(required_as_of > started_at, 'one that comes while it runs wants another fetch')
from freshness.jobs where symbol = 'FRESH';

select freshness_pgtap.begin_anew();
select * from freshness.request('pgtap_quote', array['A', 'B']);
select is(count(*), 0::bigint, 'several keys are left to a claim') from freshness.jobs where state = 'running';
select freshness_pgtap.begin_anew();
select * from freshness.request('pgtap_metered', array['A']);
select is(count(*), 0::bigint, 'and a source with a budget') from freshness.jobs where state = 'running';
select freshness_pgtap.begin_anew();
update freshness.sleepers set asleep_until = clock_timestamp() - interval '1 millisecond';
select * from freshness.request('pgtap_quote', array['A']);
select is(count(*), 0::bigint, 'whoever is awake claims') from freshness.jobs where state = 'running';
select freshness_pgtap.begin_anew();
update freshness.sleepers set listener = 0;
select * from freshness.request('pgtap_quote', array['A']);
select is(count(*), 0::bigint, 'who does not listen is handed nothing') from freshness.jobs where state = 'running';
select freshness_pgtap.begin_anew();
update freshness.workers set takes_jobs = false;
select * from freshness.request('pgtap_quote', array['A']);
select is(count(*), 0::bigint, 'nor who only claims') from freshness.jobs where state = 'running';
select freshness_pgtap.begin_anew();
update freshness.sleepers set worker = -1;
select * from freshness.request('pgtap_quote', array['A']);
select is(count(*), 0::bigint, 'nor who is not announced') from freshness.jobs where state = 'running';
select freshness_pgtap.begin_anew();
insert into freshness.jobs (data_type, symbol, run_at, not_before)
values ('pgtap_quote', 'HELD', now(), now() + interval '1 hour');
select * from freshness.request('pgtap_quote', array['HELD'], true);
select ok(not freshness_pgtap.is_handed_over('HELD'), 'what is held back waits');
select freshness_pgtap.begin_anew();
insert into freshness.jobs (data_type, symbol, run_at, state) values ('pgtap_quote', 'ASIDE', now(), 'failed');
select * from freshness.request('pgtap_quote', array['ASIDE'], true);
select ok(not freshness_pgtap.is_handed_over('ASIDE'), 'and what is set aside');
select freshness_pgtap.begin_anew();
insert into freshness.jobs (data_type, symbol, run_at, stored_at, verified_at, validators)
select
    'pgtap_quote', 'OLD', now() + interval '1 hour', now() - interval '1 hour', now(),
    jsonb_build_object('e', repeat('x', 6000));
select * from freshness.request('pgtap_quote', array['OLD'], true);
select ok(not freshness_pgtap.is_handed_over('OLD'), 'and what does not fit into a notification');
select freshness_pgtap.begin_anew();
insert into freshness.jobs (data_type, symbol, run_at, stored_at, verified_at, validators)
values ('pgtap_quote', 'OLD', now() + interval '1 hour', now(), now(), '{"etag": "1"}');
select * from freshness.request('pgtap_quote', array['OLD'], true);
select ok(
    freshness_pgtap.is_handed_over('OLD') and verified_at is null, 'validators of rows that are gone do not count'
)
from freshness.jobs where symbol = 'OLD';

select freshness_pgtap.begin_anew();
select * from freshness.watch(array['pgtap_quote'], array['SEEN'], 'pgtap');
select ok(freshness_pgtap.is_handed_over('SEEN') and viewers = 1, 'the job of a first viewer is handed over')
from freshness.jobs where symbol = 'SEEN';
select freshness_pgtap.begin_anew();
insert into freshness.jobs (data_type, symbol, run_at) values ('pgtap_quote', 'THERE', now());
select * from freshness.watch(array['pgtap_quote'], array['THERE'], 'pgtap');
select ok(not freshness_pgtap.is_handed_over('THERE'), 'but not one that was there before: others may hold it');
select freshness_pgtap.begin_anew();
select * from freshness.watch(array['pgtap_quote', 'pgtap_quote'], array['ONE', 'TWO'], 'pgtap');
select is(count(*), 0::bigint, 'nor several at once') from freshness.jobs where state = 'running';
select freshness_pgtap.begin_anew();
insert into freshness.listeners (data_type, symbol, backend, is_told_of_starts)
values ('pgtap_quote', 'TOLD', pg_backend_pid(), true);
select * from freshness.request('pgtap_quote', array['TOLD']);
select * from freshness.request('pgtap_quote', array['UNTOLD']);
select results_eq(
    $$
    select e.symbol, e.kind, e.fence
    from freshness.events as e where e.data_type = 'pgtap_quote' and e.kind = 'refreshing'
    $$,
    $$ select 'TOLD', 'refreshing', j.fence from freshness.jobs as j where j.symbol = 'TOLD' $$,
    'whoever is told of starts is told of this one'
);
select lives_ok($$ select freshness.hand_over('pgtap_none', 'A') $$, 'what is not there is handed to nobody');
select lives_ok($$ select freshness.hand_over(null, null) $$, 'nor is nothing');

select * from finish();
rollback;
