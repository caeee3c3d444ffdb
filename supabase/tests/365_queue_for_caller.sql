begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(6);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, owner text, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('OLD', 'a', now() - interval '1 hour');
set local role authenticated;
select throws_ok(
    $$ select freshness.queue_for_caller('pgtap_quote', 'OLD') $$, '42501', null,
    'a browser cannot name the part with our rights'
);
reset role;
select results_eq(
    $$ select k.symbol, k.status, k.queued from freshness.queue_for_caller('pgtap_quote', 'OLD') as k $$,
    $$ values ('OLD', 'stale', true) $$, 'what is stale is queued'
);
select results_eq(
    $$ select k.status, k.queued from freshness.queue_for_caller('pgtap_quote', 'OLD') as k $$,
    $$ values ('stale', false) $$, 'once'
);
select throws_ok(
    $$ select freshness.queue_for_caller('pgtap_nope', 'A') $$,
    'FR001', 'data type ''pgtap_nope'' is not registered', 'an unknown data type is named'
);
select throws_ok(
    $$ select freshness.queue_for_caller('pgtap_quote', '') $$,
    'FR008', ''''' is no symbol of data type ''pgtap_quote''', 'and what is no symbol'
);
select throws_ok(
    $$ select freshness.queue_for_caller(null, null) $$,
    'FR001', 'data type null is not registered', 'nothing at all is an error too'
);

select * from finish();
rollback;
