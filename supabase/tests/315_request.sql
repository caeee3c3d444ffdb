begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
create table freshness_pgtap.by_integer (symbol integer primary key, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_integer', 'freshness_pgtap.by_integer', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour');
select is_empty(
    $$ select * from freshness.request('pgtap_quote', array['FRESH']) $$,
    '"make sure it is fresh" asks nothing of fresh data'
);
select set_eq(
    $$ select symbol from freshness.request('pgtap_quote', array['FRESH', 'OLD', 'MISSING', '']) $$,
    array['OLD', 'MISSING'], 'it queues what is stale or missing, and passes over what is no symbol'
);
select is_empty(
    $$ select * from freshness.request('pgtap_quote', array['OLD', 'MISSING']) $$, 'asking again changes nothing'
);
select set_eq(
    $$ select symbol from freshness.request('pgtap_quote', array['FRESH'], true) $$, array['FRESH'],
    '"refresh now" queues fresh data too'
);
select ok(due_at <= clock_timestamp() and required_as_of is not null, 'it is due now')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'FRESH';
update freshness.jobs set not_before = now() + interval '1 hour' where data_type = 'pgtap_quote' and symbol = 'OLD';
do $$
begin
    perform freshness.request('pgtap_quote', array['OLD'], true, 9);
end
$$;
select is(due_at, now() + interval '1 hour', 'a request does not shorten a backoff')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'OLD';
select is(priority, 9::smallint, 'but may raise the priority')
from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'OLD';
select throws_ok(
    $$ select freshness.request('pgtap_nope', array['A']) $$, 'FR001', 'data type ''pgtap_nope'' is not registered',
    'an unknown data type is named'
);
select lives_ok(
    $$ select freshness.request('pgtap_integer', array['7', '007', 'seven']) $$,
    'a symbol may be asked for in two spellings'
);

select * from finish();
rollback;
