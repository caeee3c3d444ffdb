begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create table freshness_pgtap.profiles (like freshness_pgtap.quotes including all);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_profile', 'freshness_pgtap.profiles', ttl => '1 minute');
end
$$;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
do $$
begin
    perform freshness.request(t, array['A', 'B', 'C'], true) from unnest(array['pgtap_quote', 'pgtap_profile']) as t;
end
$$;
create table freshness_pgtap.runs as
select c.data_type, c.symbol, c.fence
from freshness_pgtap.worker as w
cross join lateral freshness.claim(w.id, array['pgtap_quote', 'pgtap_profile'], 10) as c;
-- A good end, one with rows of another symbol, one of a fence that is lost, one that is no JSON, and one without rows.
create table freshness_pgtap.ended as
select e.*
from unnest((
    select freshness.finish_many(
        array_agg(r.data_type order by r.data_type, r.symbol), array_agg(r.symbol order by r.data_type, r.symbol),
        array_agg(
            case when r.symbol = 'C' and r.data_type = 'pgtap_quote' then -1 else r.fence end
            order by r.data_type, r.symbol
        ),
        array['[{"price": 1}]', 'no JSON', null, '[{"price": 2}]', '[{"symbol": "X"}]', '[]'],
        array_fill(null::text, array[6]), array_fill(null::bigint, array[6]), array_fill(null::integer, array[6])
    )
    from freshness_pgtap.runs as r
)) as e;
select results_eq(
    $$
    select r.data_type, r.symbol, e.outcome from freshness_pgtap.runs as r
    join freshness_pgtap.ended as e on e.fence = r.fence order by 1, 2
    $$,
    $$
    values ('pgtap_profile', 'A', 'fresh'), ('pgtap_profile', 'B', null), ('pgtap_profile', 'C', 'unchanged'),
    ('pgtap_quote', 'A', 'fresh'), ('pgtap_quote', 'B', null)
    $$,
    'each ends as if alone: what is refused harms no other, and a lost fence is not in the answer'
);
select results_eq(
    $$ select symbol, price from freshness_pgtap.quotes order by 1 $$, $$ values ('A', 2::numeric) $$,
    'only what was taken is stored'
);
select results_eq(
    $$ select data_type, symbol from freshness.jobs where state = 'running' and data_type like 'pgtap_%' order by 1, 2 $$,
    $$ values ('pgtap_profile', 'B'), ('pgtap_quote', 'B'), ('pgtap_quote', 'C') $$,
    'the others still run'
);
select ok(bool_and(due_in between 50 and 60), 'the answer says when each is due again')
from freshness_pgtap.ended where outcome is not null;
select results_eq(
    $$
    select kind, count(*)::integer from freshness.events
    where data_type like 'pgtap_%' and kind <> 'refreshing' group by 1 order by 1
    $$,
    $$ values ('fresh', 2), ('unchanged', 1) $$, 'each end is on record once'
);
select is(
    freshness.finish_many('{}', '{}', '{}', '{}', '{}', '{}', '{}'), '{}'::freshness.ended[], 'nothing ends nothing'
);
select is(
    freshness.finish_many('{pgtap_gone}', '{A}', '{1}', '{}', '{}', '{}', '{}'), '{}'::freshness.ended[],
    'a data type that is not registered any more has lost all fences'
);

select * from finish();
rollback;
