begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(14);

set local timezone = 'UTC';
create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, fetched_at timestamptz);
create table freshness_pgtap.numbers (id integer primary key, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_n', 'freshness_pgtap.numbers', ttl => '1 minute', symbol_column => 'id');
end
$$;
create function pg_temp.said(p_symbol text)
returns text
language sql
as $$
    select status || ': ' || regexp_replace(explanation, '([0-9]{4}-[0-9-]{5} )?[0-9:]{8}', 'T', 'g')
    from freshness.explain('pgtap_quote', p_symbol)
$$;
delete from freshness.sleepers;
delete from freshness.workers as w where not exists (select from freshness.jobs as j where j.worker = w.id);
select results_eq(
    $$ select * from freshness.explain('pgtap_nope', 'A') $$,
    $$
    values (
        'pgtap_nope', 'A', 'unknown_data_type', 'is not registered: freshness.register_data_type adds its data type'
    )
    $$, 'a data type that is not registered'
);
select matches(
    (select status || ': ' || explanation from freshness.explain('pgtap_n', 'abc')),
    '^invalid_symbol: is no symbol of pgtap_n: it does not fit column id', 'what is no symbol'
);
select is(
    pg_temp.said('NONE'),
    'missing: has no rows; nobody watches it or has asked for it, so nothing will be fetched', 'nobody wants it'
);
insert into freshness_pgtap.quotes values ('FRESH', now()), ('OLD', now() - interval '1 hour'), ('SEEN', now());
do $$ begin perform freshness.watch(array['pgtap_quote', 'pgtap_quote'], array['FRESH', 'OLD'], 'a'); end $$;
do $$ begin perform freshness.watch(array['pgtap_quote'], array['FRESH'], 'b'); end $$;
select is(
    pg_temp.said('FRESH'),
    'fresh: is fresh until T; will be refreshed at T, because 2 viewers watch it', 'its deadline, and why'
);
select is(
    pg_temp.said('OLD'),
    'stale: went stale at T; is due since T, because 1 viewer watches it, but no worker is there: start one with'
    ' freshness run', 'nobody works'
);
grant usage on schema freshness_pgtap to authenticated;
grant select on freshness_pgtap.quotes to authenticated;
with subscribed as (
    insert into realtime.subscription (subscription_id, entity, filters, claims)
    select gen_random_uuid(), 'freshness_pgtap.quotes', array[jsonb_populate_record(
        null::realtime.user_defined_filter, '{"column_name": "symbol", "op": "eq", "value": "SEEN", "negate": false}'
    )], '{"role": "authenticated"}'
    returning id
)

insert into freshness.pulls (subscription_row, reason) select s.id, 'fresh' from subscribed as s;
delete from freshness.watches where data_type = 'pgtap_quote' and symbol = 'SEEN';
delete from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'SEEN';
select is(
    pg_temp.said('SEEN'),
    'fresh: is fresh until T; has no job although 1 viewer watches it: the next look or sweep gives it one',
    'a subscriber is in the inbox'
);
delete from freshness.pulls where subscription_row is not null;
do $$ begin perform freshness.announce_worker('pgtap'); end $$;
select is(
    pg_temp.said('OLD'),
    'stale: went stale at T; is due since T, because 1 viewer watches it: the next free worker fetches it', 'it is due'
);
do $$
begin
    perform from freshness.workers as w cross join lateral freshness.claim(w.id, array['pgtap_quote'], 9)
    where w.name = 'pgtap';
end
$$;
select is(
    pg_temp.said('OLD'), 'refreshing: went stale at T; is being refreshed since T by worker pgtap', 'it runs'
);
do $$
begin
    perform freshness.fail(j.data_type, j.symbol, j.fence, 'HTTP 500') from freshness.jobs as j
    where j.data_type = 'pgtap_quote' and j.state = 'running';
end
$$;
select is(
    pg_temp.said('OLD'), 'stale: went stale at T; will be tried again at T after 1 failure: HTTP 500', 'it failed'
);
update freshness.jobs set state = 'failed', attempts = 5, not_before = now() + interval '1 hour'
where data_type = 'pgtap_quote' and symbol = 'OLD';
select is(
    pg_temp.said('OLD'),
    'failed: went stale at T; is set aside until T after 5 failures: HTTP 500;'
    ' freshness.retry(''pgtap_quote'', ''OLD'') releases it', 'too often'
);
delete from freshness.watches where data_type = 'pgtap_quote' and symbol = 'FRESH';
select is(
    pg_temp.said('FRESH'),
    'fresh: is fresh until T; nobody watches it: it is kept warm until T without a fetch, and then forgotten',
    'nobody watches it any more'
);
insert into freshness.jobs (data_type, symbol, run_at, requested_at) values ('pgtap_quote', 'SEEN', now(), now());
select is(
    pg_temp.said('SEEN'), 'fresh: is fresh until T; will be refreshed at T, because somebody asked for it',
    'a claim would find it fresh'
);
update freshness.jobs set not_before = now() + interval '1 hour' where data_type = 'pgtap_quote' and symbol = 'SEEN';
select matches(pg_temp.said('SEEN'), 'is held back until T: its source is closed$', 'its source is closed');
alter table freshness_pgtap.quotes rename column fetched_at to renamed;
select matches(pg_temp.said('FRESH'), 'cannot be looked at: 42703', 'its table was changed');

select * from finish();
rollback;
