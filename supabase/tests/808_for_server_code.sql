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

-- As Supabase's defaults do it when a dump is restored.
grant execute on function public.queue_refresh_if_not_exists_v2, public.check_and_queue_stale_batch_v2,
public.check_and_queue_stale_data_from_presence_v2, public.get_active_subscriptions_from_realtime
to anon, authenticated;

set local role anon;
select throws_ok(
    $$ select public.queue_refresh_if_not_exists_v2('A', 'pgtap_quote') $$, '42501', null,
    'a browser that may call the function in public may not have keys refreshed by it'
);
select throws_ok(
    $$ select public.check_and_queue_stale_batch_v2('A', '{pgtap_quote}') $$, '42501', null, 'nor asked for'
);
select throws_ok(
    $$ select public.check_and_queue_stale_data_from_presence_v2() $$, '42501', null, 'nor sweep'
);
select throws_ok(
    $$ select * from public.get_active_subscriptions_from_realtime() $$, '42501', null, 'nor see who watches what'
);
set local role service_role;
select ok(public.queue_refresh_if_not_exists_v2('A', 'pgtap_quote'), 'server code may have a key refreshed');
select is(public.check_and_queue_stale_batch_v2('B', '{pgtap_quote}'), 1, 'and ask for one');
select lives_ok($$ select public.check_and_queue_stale_data_from_presence_v2() $$, 'and sweep');
select lives_ok($$ select * from public.get_active_subscriptions_from_realtime() $$, 'and see what is watched');
reset role;
select set_eq(
    $$ select symbol from freshness.jobs where data_type = 'pgtap_quote' $$, array['A', 'B'], 'which comes to the queue'
);

select * from finish();
rollback;
