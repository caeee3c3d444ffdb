begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

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

select * from finish();
rollback;
