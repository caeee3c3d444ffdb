begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(12);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create function freshness_pgtap.subscribe(p_table regclass, p_filters jsonb)
returns bigint
language sql
as $$
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    select
        gen_random_uuid(), p_table,
        array(
            select jsonb_populate_record(null::realtime.user_defined_filter, f)
            from jsonb_array_elements(p_filters) as f
        ),
        '{"role": "authenticated"}'
    returning id
$$;
select has_trigger('realtime', 'subscription', 'on_realtime_subscription_insert_trigger', 'the trigger is there');
select ok(
    (select prosecdef and proconfig @> array['lock_timeout=100ms']
    from pg_proc where oid = 'public.on_realtime_subscription_insert()'::regprocedure),
    'its function has rights of its own and waits for no lock for long'
);
select lives_ok(
    $$
    select freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "eq", "value": "A", "negate": false}]'
    )
    $$, 'a subscription is stored'
);
select results_eq(
    $$ select symbol, viewers from freshness.live_watches('pgtap_quote', array['A']) $$, $$ values ('A', 1) $$,
    'and its key is watched'
);
select ok(due_at <= clock_timestamp(), 'a key without data is due')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'A';
select lives_ok(
    $$
    select freshness_pgtap.subscribe('freshness_pgtap.quotes', jsonb_build_array(jsonb_build_object(
        'column_name', 'symbol', 'op', 'eq', 'value', repeat('x', 2000), 'negate', false
    )))
    $$, 'a symbol of 2,000 characters does not fail the subscription'
);
select results_eq(
    $$ select kind from freshness.events where data_type = 'pgtap_quote' $$, $$ values ('ignored') $$, 'it is noted'
);

insert into freshness_pgtap.quotes values ('FRESH', 1, clock_timestamp());
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 hour');
    delete from freshness.pulls where data_type = 'pgtap_quote';
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "eq", "value": "FRESH", "negate": false}]'
    );
end
$$;
select results_eq(
    $$
    select p.reason, s.filters[1].value
    from freshness.pulls as p
    join realtime.subscription as s on s.id = p.subscription_row
    where s.entity = 'freshness_pgtap.quotes'::regclass
    $$, $$ values ('fresh', 'FRESH') $$, 'a key with fresh data is left to the inbox'
);
select ok(
    not exists (select from freshness.watches where data_type = 'pgtap_quote' and symbol = 'FRESH'),
    'the subscriber waits for nothing else'
);
do $$ begin perform freshness.fold_pulls(); end $$;
select ok(due_at > clock_timestamp() + interval '59 minutes', 'folded, it waits for its deadline')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'FRESH';
do $$
begin
    delete from freshness.pulls where data_type = 'pgtap_quote';
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "eq", "value": "A", "negate": true}]'
    );
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "in", "value": "{B,C}", "negate": false}]'
    );
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "eq", "value": "A", "negate": false}]'
    );
end
$$;
select results_eq(
    $$ select symbol, count(*) from freshness.watches where data_type = 'pgtap_quote' group by symbol order by symbol $$,
    $$ values ('A', 2::bigint), ('B', 1), ('C', 1), ('FRESH', 1) $$,
    'a list watches each key, a negated filter none, a second subscriber the same one'
);
select results_eq(
    $$ select symbol from freshness.pulls where data_type = 'pgtap_quote' $$, $$ values ('A') $$,
    'and leaves its job to the inbox'
);

select * from finish();
rollback;
