begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(2);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_none', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness.jobs (data_type, symbol, run_at, stored_at, fresh_until, viewers) values
('pgtap_quote', 'FRESH', now(), now(), now() + interval '1 hour', 2),
('pgtap_quote', 'STALE', now() - interval '1 hour', now(), now() - interval '1 minute', 1);
select results_eq(
    $$
    select keys, wanted, viewers, fresh, refreshing, stale, missing, failed, late, worst_lateness::integer
    from freshness.data_type_status where data_type = 'pgtap_quote'
    $$,
    'values (2, 2, 3, 1, 0, 1, 0, 0, 1, 60)', 'the keys are counted by status'
);
select results_eq(
    $$
    select keys, wanted, viewers, late, worst_lateness
    from freshness.data_type_status where data_type = 'pgtap_none'
    $$,
    'values (0, 0, 0, 0, null::double precision)', 'a data type without keys is there too'
);

select * from finish();
rollback;
