begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(35);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
-- Lets a key run and gives its fence.
create function freshness_pgtap.run(p_symbol text) returns bigint
language plpgsql as $$
begin
    perform freshness.request('pgtap_quote', array[p_symbol], true);
    return (
        select c.fence from freshness_pgtap.worker as w
        cross join lateral freshness.claim(w.id, array['pgtap_quote'], 10) as c where c.symbol = p_symbol
    );
end
$$;
insert into freshness_pgtap.quotes values
('OLD', 1, now() - interval '1 hour'), ('SAME', 1, now()), ('AHEAD', 1, now() + interval '30 seconds'),
('FUTURE', 1, now() + interval '1 day');
create table freshness_pgtap.runs as
select s as symbol, freshness_pgtap.run(s) as fence
from unnest(array['OLD', 'NEW', 'NONE', 'SAME', 'OTHER', 'SUPERSEDED', 'AGAIN', 'AHEAD', 'FUTURE', 'MARKED']) as s;
create function freshness_pgtap.finish(p_symbol text, p_rows jsonb) returns text
language sql as $$
    select f.outcome from freshness_pgtap.runs as r
    cross join lateral freshness.finish('pgtap_quote', p_symbol, r.fence, p_rows) as f where r.symbol = p_symbol
$$;
select is(freshness_pgtap.finish('OLD', '[{"price": 2}]'), 'fresh', 'newer rows make a key fresh');
select ok(price = 2 and fetched_at > now(), 'they are stored, with the start of the fetch')
from freshness_pgtap.quotes where symbol = 'OLD';
select ok(
    j.state = 'scheduled' and j.run_at = q.fetched_at + interval '1 minute' and j.fence is null
    and j.attempts = 0 and j.requested_at is null and j.required_as_of is null,
    'the job waits for the next deadline'
)
from freshness.jobs as j join freshness_pgtap.quotes as q on q.symbol = j.symbol
where j.data_type = 'pgtap_quote' and j.symbol = 'OLD';
select is(freshness_pgtap.finish('NEW', '[{"price": 2}]'), 'fresh', 'a row that was missing is added');
select is(freshness_pgtap.finish('NONE', '[]'), 'missing', 'a source may have nothing');
select ok(
    run_at between now() + interval '1 minute' and clock_timestamp() + interval '1 minute',
    'it is asked again a ttl later'
)
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'NONE';
select is(
    freshness_pgtap.finish('SAME', jsonb_build_array(jsonb_build_object('price', 1, 'fetched_at', now()))), 'unchanged',
    'the same timestamp again is nothing new'
);
select ok(run_at > now() + interval '1 minute', 'but a ttl counts from this fetch')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'SAME';
select throws_ok(
    $$ select freshness_pgtap.finish('OTHER', '[{"symbol": "X"}]') $$,
    'FR005', null, 'rows of another symbol are refused'
);
select throws_ok(
    $$ select freshness_pgtap.finish('OTHER', '{"price": 1}') $$, 'FR007', null, 'what is no list is refused'
);
select throws_ok(
    $$ select freshness_pgtap.finish('OTHER', '[{"prise": 1}]') $$, 'FR007', null, 'unknown columns are refused'
);
select is(state::text, 'running', 'a refused refresh still runs')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'OTHER';
insert into freshness_pgtap.quotes values ('SUPERSEDED', 5, clock_timestamp());
select is(freshness_pgtap.finish('SUPERSEDED', '[{"price": 2}]'), 'superseded', 'newer rows of somebody else stay');
select is(price, 5::numeric, 'as they are') from freshness_pgtap.quotes where symbol = 'SUPERSEDED';
do $$
begin
    perform freshness.request('pgtap_quote', array['AGAIN'], true);
    perform freshness_pgtap.finish('AGAIN', '[{"price": 2}]');
end
$$;
select ok(
    due_at <= clock_timestamp() and required_as_of is not null, 'a request during the refresh makes another one due'
)
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'AGAIN';
update freshness.jobs set run_at = clock_timestamp() where data_type = 'pgtap_quote' and symbol = 'MARKED';
do $$
begin
    perform freshness_pgtap.finish('MARKED', '[{"price": 2}]');
end
$$;
select ok(due_at <= clock_timestamp(), 'a job that was marked while it ran is looked at again')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'MARKED';
select is(
    freshness_pgtap.finish('AHEAD', '[{"price": 2}]'), 'fresh',
    'a stored timestamp a little ahead of the clock blocks nothing'
);
select is(freshness_pgtap.finish('FUTURE', '[{"price": 2}]'), 'fresh', 'nor does one far ahead');
select results_eq(
    $$
    select symbol, price,
    fetched_at <= clock_timestamp() from freshness_pgtap.quotes where symbol in ('AHEAD', 'FUTURE') order by 1
    $$,
    $$ values ('AHEAD', 2::numeric, true), ('FUTURE', 2, true) $$, 'the fetched rows take their place'
);
update freshness_pgtap.runs set fence = freshness_pgtap.run('OLD') where symbol = 'OLD';
select throws_ok(
    $$ select freshness_pgtap.finish('OLD', '[{"price": 9, "fetched_at": "2020-01-01"}]') $$,
    'FR006', null, 'older rows are refused'
);
select throws_ok(
    $$ select freshness.finish('pgtap_quote', 'OLD', -1, '[{"price": 9}]') $$, 'FR003', null, 'so is another fence'
);
select throws_ok(
    $$ select freshness.finish('pgtap_quote', 'NEW', null, '[]') $$, 'FR003', null, 'and a refresh that is over'
);
select set_eq(
    $$
    select kind from freshness.events
    where data_type = 'pgtap_quote' and symbol in ('NEW', 'NONE', 'SAME', 'SUPERSEDED') and duration is not null
        and kind <> 'refreshing'
    $$,
    array['fresh', 'missing', 'unchanged', 'superseded'], 'how each ended is on record'
);
select is(current_setting('freshness.storing', true), '', 'the mark for our own triggers is taken back');

-- A source with timestamps of its own, and validators.
create function freshness_pgtap.refresh(p_symbol text, p_rows jsonb, p_validators jsonb default null) returns text
language plpgsql as $$
declare
    v_fence bigint := freshness_pgtap.run(p_symbol);
begin
    return (select f.outcome from freshness.finish('pgtap_quote', p_symbol, v_fence, p_rows, p_validators, 12) as f);
end
$$;
create function freshness_pgtap.said(p_symbol text) returns jsonb
language sql as $$
    select to_jsonb(c.validators) from freshness_pgtap.worker as w
    cross join lateral freshness.claim(w.id, array['pgtap_quote'], 10) as c where c.symbol = p_symbol
$$;
insert into freshness_pgtap.quotes values ('LAGS', 1, now() - interval '2 minutes'), ('304', 1, now() - interval '1 hour');
select is(
    freshness_pgtap.refresh(
        'LAGS', jsonb_build_array(jsonb_build_object('price', 2, 'fetched_at', now() - interval '2 minutes')), '{"etag": "x"}'
    ),
    'stale', 'a source that repeats what is stale is told apart'
);
select ok(
    j.verified_at is null and j.validators is null and j.fresh_until < now() and j.attempts = 0
    and j.not_before between now() + interval '25 seconds' and clock_timestamp() + interval '1 minute'
    and j.last_error like 'the source''s rows of % are stale%',
    'nothing is verified, and it is asked again after a growing wait'
)
from freshness.jobs as j where j.data_type = 'pgtap_quote' and j.symbol = 'LAGS';
select is(price, 2::numeric, 'what came with the same timestamp is stored') from freshness_pgtap.quotes where symbol = 'LAGS';
select is(
    freshness_pgtap.refresh('FIRST', jsonb_build_array(jsonb_build_object('fetched_at', now() - interval '1 day'))), 'fresh',
    'the first rows of a key may be of any time'
);
select is(freshness_pgtap.refresh('304', null, '{"etag": "x"}'), 'unchanged', 'a source can confirm what is stored');
select ok(
    j.fresh_until > now() + interval '59 seconds' and j.run_at = j.fresh_until and j.validators = '{"etag": "x"}',
    'then a ttl counts from there, and its validators are kept'
)
from freshness.jobs as j where j.data_type = 'pgtap_quote' and j.symbol = '304';
select is(freshness_pgtap.refresh('304', null), 'unchanged', 'again');
do $$
begin
    perform freshness.request('pgtap_quote', array['304'], true);
end
$$;
select is(freshness_pgtap.said('304'), '{"etag": "x"}', 'the next claim hands the validators out');
update freshness.jobs set state = 'scheduled', worker = null, fence = null, started_at = null, run_at = now()
where data_type = 'pgtap_quote' and symbol = '304';
delete from freshness_pgtap.quotes where symbol = '304';
select is(freshness_pgtap.said('304'), null, 'but not when the rows that they are of are gone');
do $$
begin
    perform freshness.finish('pgtap_quote', j.symbol, j.fence, '[{"price": 1}]', '{"etag": "y"}')
    from freshness.jobs as j where j.data_type = 'pgtap_quote' and j.symbol = '304';
    perform freshness_pgtap.run('304');
    delete from freshness_pgtap.quotes where symbol = '304';
    perform freshness.finish('pgtap_quote', j.symbol, j.fence, null)
    from freshness.jobs as j where j.data_type = 'pgtap_quote' and j.symbol = '304';
end
$$;
select ok(
    j.verified_at is null and j.validators is null and j.due_at <= clock_timestamp(),
    'rows that were deleted while the source was asked are not confirmed, but fetched'
)
from freshness.jobs as j where j.data_type = 'pgtap_quote' and j.symbol = '304';
select set_eq(
    $$ select symbol, kind, message is null from freshness.events where data_type = 'pgtap_quote' and symbol <> 'FIRST' and bytes = 12 $$,
    $$ values ('LAGS', 'stale', false), ('304', 'unchanged', true) $$, 'each is on record with its size'
);

select * from finish();
rollback;
