begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
grant select on freshness_pgtap.quotes to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
do $$
begin
    perform freshness.watch(array['pgtap_quote'], array['A'], 'user:1');
end
$$;
select ok(freshness.unregister_data_type('pgtap_quote'), 'a data type can be taken back');
select is_empty(
    $$
    select 1 from freshness.jobs where data_type = 'pgtap_quote'
    union all select 1 from freshness.watches where data_type = 'pgtap_quote'
    union all select 1 from pg_trigger where tgrelid = 'freshness_pgtap.quotes'::regclass
    $$,
    'its jobs, watches and triggers go with it'
);
select hasnt_function('freshness', 'look_pgtap_quote', 'and its function');
select ok(not freshness.unregister_data_type('pgtap_quote'), 'a second time there is nothing to take back');

select * from finish();
rollback;
