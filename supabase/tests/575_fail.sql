begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(17);

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
create function freshness_pgtap.fail_once() returns text
language plpgsql as $$
declare
    v_fence bigint;
begin
    update freshness.jobs set not_before = null where data_type = 'pgtap_quote';
    select c.fence into v_fence from freshness_pgtap.worker as w
    cross join lateral freshness.claim(w.id, array['pgtap_quote'], 10) as c;
    return (select outcome from freshness.fail('pgtap_quote', 'A', v_fence, repeat('x', 2000)));
end
$$;
do $$
begin
    perform freshness.request('pgtap_quote', array['A']);
end
$$;
select is(freshness_pgtap.fail_once(), 'scheduled', 'a refresh that failed is tried again');
select ok(
    attempts = 1 and length(last_error) = 1000 and requested_at is not null and fence is null
    and due_at between now() and clock_timestamp() + interval '1 second', 'after about a second, with the reason kept'
)
from freshness.jobs where data_type = 'pgtap_quote';
select is(
    array[freshness_pgtap.fail_once(), freshness_pgtap.fail_once(), freshness_pgtap.fail_once()],
    '{scheduled,scheduled,scheduled}', 'and again'
);
select ok(due_at > clock_timestamp() + interval '3 seconds', 'after longer waits')
from freshness.jobs where data_type = 'pgtap_quote';
select is(freshness_pgtap.fail_once(), 'failed', 'until it is set aside');
select ok(due_at > now() + interval '59 minutes', 'for an hour') from freshness.jobs where data_type = 'pgtap_quote';
select is_empty(
    $$ select * from freshness.fail('pgtap_quote', 'A', 1, 'late') $$, 'a worker that lost its fence fails nothing'
);
select is(
    (select count(*)::integer from freshness.events where data_type = 'pgtap_quote' and kind = 'failed'), 5,
    'each failure is on record'
);

create function freshness_pgtap.fail(p_symbol text, p_permanent boolean, p_retry_at timestamptz, p_alone boolean)
returns text
language sql as $$
    select freshness.request('pgtap_quote', array[p_symbol]);
    select f.outcome
    from freshness_pgtap.worker as w
    cross join lateral freshness.claim(w.id, array['pgtap_quote'], 10) as c
    cross join lateral freshness.fail('pgtap_quote', c.symbol, c.fence, 'no', p_permanent, p_retry_at, p_alone, 7) as f
    -- One of those before may be due again.
    where c.symbol = p_symbol
$$;
select is(freshness_pgtap.fail('PERMANENT', true, null, false), 'failed', 'a permanent error sets a key aside at once');
select ok(attempts = 1 and due_at > now() + interval '59 minutes', 'for an hour')
from freshness.jobs where symbol = 'PERMANENT';
select is(
    freshness_pgtap.fail('LIMITED', false, now() + interval '1 hour', false), 'retry_after',
    'a source can ask not to come earlier'
);
select ok(
    attempts = 0 and state = 'scheduled' and not_before between now() + interval '1 hour' and now() + interval '61 minutes',
    'which is no failed attempt'
)
from freshness.jobs where symbol = 'LIMITED';
select is(
    freshness_pgtap.fail('PAST', false, now() - interval '1 hour', false), 'scheduled', 'a moment that is past says nothing'
);
do $$
begin
    perform freshness_pgtap.fail('FAR', false, 'infinity', false);
end
$$;
select ok(due_at < now() + interval '8 days', 'nor does any hold a key for ever')
from freshness.jobs where symbol = 'FAR';
select is(freshness_pgtap.fail('BATCH', false, null, true), 'scheduled', 'what failed in a batch is tried again');
select ok(alone, 'by itself') from freshness.jobs where symbol = 'BATCH';
select set_eq(
    $$ select symbol, kind, bytes from freshness.events where data_type = 'pgtap_quote' and bytes is not null $$,
    $$
    values ('PERMANENT', 'failed', 7::bigint), ('LIMITED', 'retry_after', 7), ('PAST', 'failed', 7),
    ('FAR', 'retry_after', 7), ('BATCH', 'failed', 7)
    $$,
    'each is on record with its outcome and size'
);

select * from finish();
rollback;
