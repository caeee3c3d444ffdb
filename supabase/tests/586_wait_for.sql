begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

create table pg_temp.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'pg_temp.quotes', ttl => '1 minute');
end
$$;

insert into pg_temp.quotes values ('FRESH', 1, now()), ('STALE', 1, now() - interval '2 minutes');
select results_eq(
    $$
    select place, symbol, status, is_over
    from freshness.wait_for(
        'pgtap_quote', array['STALE', '', 'FRESH'], array[false, false, false],
        array[null, null, null]::timestamptz[], pg_backend_pid(), 5
    )
    order by place
    $$,
    $$ values (1::bigint, 'STALE', 'stale', false), (3::bigint, 'FRESH', 'fresh', true) $$,
    'what is no symbol is left out'
);
select set_eq(
    $$ select symbol, priority::integer from freshness.jobs where data_type = 'pgtap_quote' $$,
    $$ values ('STALE', 5) $$, 'what is not fresh is requested'
);
select set_eq(
    $$ select symbol, backend from freshness.listeners where data_type = 'pgtap_quote' $$,
    $$ values ('STALE', pg_backend_pid()) $$, 'and told'
);
create table pg_temp.asked as
select * from freshness.wait_for(
    'pgtap_quote', array['FRESH'], array[true], array[null]::timestamptz[], pg_backend_pid()
);
select is(is_over, false, '"refresh now" waits for a fetch, however fresh the data is') from pg_temp.asked;
select is(a.since, j.required_as_of, 'that begins after it')
from pg_temp.asked as a
join freshness.jobs as j on j.data_type = 'pgtap_quote' and j.symbol = 'FRESH';
update freshness.jobs set required_as_of = null, requested_at = null where data_type = 'pgtap_quote';
insert into pg_temp.quotes values ('STALE', 2, now())
on conflict (symbol) do update set fetched_at = excluded.fetched_at;
select results_eq(
    $$
    select w.symbol, w.is_over
    from pg_temp.asked as a
    cross join freshness.wait_for(
        'pgtap_quote', array['STALE', 'FRESH'], array[false, true], array[null, a.since], pg_backend_pid()
    ) as w
    order by w.place
    $$, $$ values ('STALE', true), ('FRESH', true) $$, 'looked at again, they are over'
);
select is_empty($$ select from freshness.listeners where data_type = 'pgtap_quote' $$, 'and not told any more');
select throws_ok(
    $$ select freshness.wait_for('pgtap_none', array['A'], array[false], array[null]::timestamptz[]) $$, 'FR001', null,
    'a data type has to be registered'
);

select * from finish();
rollback;
