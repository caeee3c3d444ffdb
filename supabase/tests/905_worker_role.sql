begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(17);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
alter table freshness_pgtap.quotes enable row level security;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.request('pgtap_quote', array['A', 'B']);
end
$$;

select results_eq(
    $$
    select rolsuper, rolcanlogin, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication
    from pg_roles where rolname = 'freshness_worker'
    $$,
    $$ values (false, false, false, false, false, false) $$, 'the role can do nothing by itself'
);

grant freshness_worker to current_user;
create function freshness_pgtap.as_worker(p_statement text)
returns text
language plpgsql
as $$
declare
    v_rows bigint;
begin
    perform set_config('role', 'freshness_worker', true);
    execute p_statement;
    get diagnostics v_rows = row_count;
    perform set_config('role', 'none', true);
    return v_rows || case v_rows when 1 then ' row' else ' rows' end;
exception
    when others then
        return sqlstate;
end
$$;
grant usage on schema freshness_pgtap to freshness_worker;
create table freshness_pgtap.claimed (symbol text, fence bigint);
grant select, insert on freshness_pgtap.claimed to freshness_worker;

select is(
    freshness_pgtap.as_worker(
        $$
        insert into freshness_pgtap.claimed
        select c.symbol, c.fence
        from freshness.claim(freshness.announce_worker('pgtap'), array['pgtap_quote'], 10) as c
        $$
    ), '2 rows', 'it claims'
);
select is(
    freshness_pgtap.as_worker(
        $$
        select freshness.finish('pgtap_quote', 'A', c.fence, '[{"price": 1}]')
        from freshness_pgtap.claimed as c where c.symbol = 'A'
        $$
    ), '1 row', 'ends a refresh'
);
select is(
    (select count(*)::integer from freshness_pgtap.quotes where price = 1), 1,
    'and stores what was fetched, past the row level security of the data'
);
select is(freshness_pgtap.as_worker(t.statement), t.answer, t.description)
from (
    values
    (
        $$
        select freshness.fail('pgtap_quote', 'B', c.fence, 'no answer')
        from freshness_pgtap.claimed as c where c.symbol = 'B'
        $$, '1 row', 'or it says that it could not'
    ),
    ($$ select freshness.sweep_if_due('1 hour') $$, '1 row', 'it runs the sweep'),
    ($$ select freshness.seconds_until(freshness.next_moment(1, array['pgtap_quote'])) $$, '1 row', 'knows the time'),
    (
        $$ select freshness.add_cards(array['pgtap_quote'], array['A'], 'user:1', 'postgres') $$, '1 row',
        'takes cards'
    ),
    ($$ select freshness.retry('pgtap_quote'), freshness.explain('pgtap_quote', 'B') $$, '1 row', 'is operated'),
    ($$ select * from freshness.data_type_status where keys = 2 $$, '1 row', 'sees how it goes'),
    ($$ select * from freshness.slo limit 1 $$, '1 row', 'how well'),
    ($$ select count(*) from freshness.findings $$, '1 row', 'and what needs a look'),
    ($$ select count(*) from freshness.source_status $$, '1 row', 'also of the sources'),
    ($$ select * from freshness.watches $$, '42501', 'it does not see who watches what'),
    ($$ insert into freshness_pgtap.quotes values ('C', 1, now()) $$, '42501', 'it writes no data but by a refresh'),
    ($$ update freshness.jobs set fence = 1 $$, '42501', 'and no job'),
    (
        $$ select freshness.register_data_type('x', 'freshness_pgtap.quotes', ttl => '1 minute') $$, '42501',
        'what is fetched is not its to say'
    )
) as t (statement, answer, description);

select * from finish();
rollback;
