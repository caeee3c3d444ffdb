begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create function freshness_pgtap.ended() returns text language sql as $$
    select string_agg(e.outcome, ' ')
    from freshness.jobs as j
    cross join unnest(
        freshness.end_plainly(j.data_type, array[j.symbol], array[j.fence], null, null, null, null)
    ) as e
    where j.data_type = 'pgtap_quote'
$$;
select is(
    freshness.end_plainly('pgtap_quote', array['A'], array[1], null, null, null, null), null,
    'what is not registered is not known'
);
do $$
declare
    v_worker bigint := freshness.announce_worker('pgtap');
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.request('pgtap_quote', array['A'], true);
    perform freshness.claim(v_worker, array['pgtap_quote'], 10);
end
$$;
select is(freshness_pgtap.ended(), 'unchanged', 'what is registered is');
select is(
    (select f.prosrc from pg_proc as f where f.oid = 'freshness.end_plainly'::regproc), freshness.end_plainly_body(),
    'by the body for what is registered'
);
do $$
begin
    perform freshness.unregister_data_type('pgtap_quote');
end
$$;
select ok(freshness.end_plainly_body() not like '%pgtap_quote%', 'until it is no more');

select * from finish();
rollback;
