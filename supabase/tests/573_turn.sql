begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
create function freshness_pgtap.turn(p_limit integer, p_is_settled boolean, p_symbol text, p_fence bigint)
returns table (kind text, symbol text, fence bigint, outcome text, due_in double precision)
language sql as $$
    select t.kind, t.symbol, t.fence, t.outcome, t.due_in
    from freshness_pgtap.worker as w
    cross join lateral freshness.turn(
        w.id, array['pgtap_quote'], p_limit, 'pgtap_a', pg_backend_pid(), '0', p_is_settled,
        case when p_fence is not null then array['pgtap_quote'] end,
        case when p_fence is not null then array[p_symbol] end, case when p_fence is not null then array[p_fence] end
    ) as t
$$;
create function freshness_pgtap.until() returns timestamptz
language sql as $$ select asleep_until from freshness.sleepers where channel = 'pgtap_a' $$;
do $$ begin perform freshness.request('pgtap_quote', array['A'], true); end $$;

create table freshness_pgtap.first as select * from freshness_pgtap.turn(10, false, null, null);
select results_eq(
    'select kind, symbol from freshness_pgtap.first', $$ values ('claimed', 'A') $$, 'a turn claims what is due'
);
select is(freshness_pgtap.until(), 'infinity'::timestamptz, 'and arms the worker, which has to settle');

do $$ begin perform freshness.request('pgtap_quote', array['B'], true); end $$;
create table freshness_pgtap.second as
select t.* from freshness_pgtap.first as f cross join lateral freshness_pgtap.turn(10, true, f.symbol, f.fence) as t;
select set_eq(
    'select kind, symbol, outcome from freshness_pgtap.second',
    $$ values ('ended', null, 'unchanged'), ('claimed', 'B', null), ('asleep', null, null) $$,
    'the next one ends that and claims; who had settled goes on sleeping'
);
select ok(due_in between 50 and 60, 'until the next deadline')
from freshness_pgtap.second where kind = 'asleep';
select is(freshness_pgtap.until(), 'infinity'::timestamptz, 'which need not be said again');

select set_eq(
    $$
    select t.kind from freshness_pgtap.second as s
    cross join lateral freshness_pgtap.turn(0, true, s.symbol, s.fence) as t where s.kind = 'claimed'
    $$,
    array['ended'], 'without a free slot nothing is claimed'
);
update freshness.sleepers set asleep_until = clock_timestamp() + interval '1 millisecond' where channel = 'pgtap_a';
select is(
    (select count(*) from freshness_pgtap.turn(10, true, null, null)), 0::bigint,
    'who wakes now anyway has to settle anew'
);
select ok(freshness_pgtap.until() > now() + interval '50 seconds', 'and is armed until the next deadline');
do $$ begin perform freshness.request('pgtap_quote', array['A'], true); end $$;
select freshness_pgtap.turn(1, true, null, null);
select is(freshness_pgtap.until(), null, 'a worker that gets full is not among the sleepers');

select * from finish();
rollback;
