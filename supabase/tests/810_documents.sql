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
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour');
select ok(public.is_data_stale_v2(null, 5), 'an unknown time is stale');
select ok(public.is_data_stale_v2(now(), null), 'so is an unknown ttl');
select ok(public.is_data_stale_v2(now() - interval '5 minutes', 5), 'data is stale when its ttl has passed');
select ok(not public.is_data_stale_v2(now(), 5), 'and not before');
select ok(public.queue_refresh_if_not_exists_v2('FRESH', 'pgtap_quote'), 'a refresh is queued, fresh or not');
select is((select count(*)::integer from freshness.jobs where data_type = 'pgtap_quote'), 1, 'once');
update freshness.jobs
set state = 'running', worker = 1, fence = nextval('freshness.fences'), started_at = now()
where data_type = 'pgtap_quote';
select ok(not public.queue_refresh_if_not_exists_v2('FRESH', 'pgtap_quote', 1, 1000), 'but not while one is running');
select throws_ok(
    $$ select public.queue_refresh_if_not_exists_v2('A', 'pgtap_nope') $$,
    'FR001', 'data type ''pgtap_nope'' is not registered',
    'an unknown data type is named'
);
select is(
    public.check_and_queue_stale_batch_v2('OLD', array['pgtap_quote', 'pgtap_nope']), 1,
    'stale data is queued, the unknown passed over'
);
select is(public.check_and_queue_stale_batch_v2('OLD', array['pgtap_quote']), 0, 'a second time it is queued already');
do $$
begin
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "in", "value": "{A,B}", "negate": false}]'
    );
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "eq", "value": "A", "negate": false}]'
    );
    perform freshness_pgtap.subscribe('freshness_pgtap.quotes', '[]');
end
$$;
select set_eq(
    $$ select * from public.get_active_subscriptions_from_realtime() where data_type = 'pgtap_quote' $$,
    $$ values ('A', 'pgtap_quote', 2::bigint), ('B', 'pgtap_quote', 1::bigint) $$,
    'the keys that are watched, with how often'
);
delete from freshness.watches where data_type = 'pgtap_quote';
select ok(public.check_and_queue_stale_data_from_presence_v2() >= 2, 'the sweep has the documents'' name too');

select * from finish();
rollback;
