begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

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
create table freshness_pgtap.profiles (like freshness_pgtap.quotes including all);
grant select on freshness_pgtap.profiles to authenticated;
do $$
begin
    perform freshness.register_data_type('pgtap_profile', 'freshness_pgtap.profiles', ttl => '1 minute');
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.quotes', '[{"column_name": "symbol", "op": "eq", "value": "A", "negate": false}]'
    );
    perform freshness_pgtap.subscribe(
        'freshness_pgtap.profiles', '[{"column_name": "symbol", "op": "eq", "value": "A", "negate": false}]'
    );
    perform freshness.watch(array['pgtap_quote', 'pgtap_quote'], array['ENDED', 'LOST'], 'user:1');
end
$$;
insert into freshness_pgtap.quotes values ('LOST', 1, now());
-- Whatever the triggers should have done is undone.
delete from freshness.watches where symbol = 'A';
delete from freshness.jobs where data_type like 'pgtap%';
update freshness.watches set lease_until = now() where symbol = 'ENDED';
insert into freshness.jobs (data_type, symbol, run_at, state, worker, fence, started_at)
values ('pgtap_quote', 'DEAD', 'infinity', 'running', -1, nextval('freshness.fences'), now());
create table freshness_pgtap.first as select * from freshness.sweep();
create function freshness_pgtap.state() returns text
language sql as $$
    select (
        select string_agg(j::text, ';' order by j.data_type, j.symbol)
        from freshness.jobs as j where data_type like 'pgtap%'
    ) || (
        select string_agg(w::text, ';' order by w.data_type, w.symbol)
        from freshness.watches as w where data_type like 'pgtap%'
    )
$$;
create table freshness_pgtap.after_first as select freshness_pgtap.state() as state;

select ok(
    watches_mended >= 2 and watches_ended >= 1 and jobs_mended >= 1 and taken_over >= 1, 'a sweep says what it did'
)
from freshness_pgtap.first;
select set_eq(
    $$ select data_type, symbol from freshness.watches where data_type like 'pgtap%' $$,
    $$ values ('pgtap_quote', 'A'), ('pgtap_profile', 'A'), ('pgtap_quote', 'LOST') $$,
    'subscriptions are watched again, leases that ended are not'
);
select set_eq(
    $$
    select data_type, symbol, run_at > clock_timestamp()
    from freshness.jobs where data_type like 'pgtap%' and unwatched_at is null
    $$,
    $$ values ('pgtap_quote', 'A', false), ('pgtap_profile', 'A', false), ('pgtap_quote', 'LOST', true) $$,
    'each watched key has the job that it should have'
);
create table freshness_pgtap.second as select * from freshness.sweep();
select ok(
    watches_mended = 0 and jobs_mended = 0 and taken_over = 0, 'one more sweep mends nothing'
)
from freshness_pgtap.second;
select is(freshness_pgtap.state(), (select state from freshness_pgtap.after_first), 'and changes nothing');
alter table freshness_pgtap.profiles rename column symbol to ticker;
delete from freshness.watches where data_type like 'pgtap%';
select lives_ok($$ select freshness.sweep() $$, 'a data type that is broken does not keep the sweep from the others');
select ok(
    exists (select 1 from freshness.watches where data_type = 'pgtap_quote' and symbol = 'A'), 'which it mends'
);

select * from finish();
rollback;
