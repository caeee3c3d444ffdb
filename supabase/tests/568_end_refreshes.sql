begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(4);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes values ('A', 1, now() - interval '1 hour'), ('B', 1, now() - interval '1 hour');
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
do $$
begin
    perform freshness.request('pgtap_quote', array['A', 'B'], true);
    perform freshness.claim(w.id, array['pgtap_quote'], 10) from freshness_pgtap.worker as w;
end
$$;
create function freshness_pgtap.end_all(p_rows jsonb[], p_lost text) returns text[]
language sql as $$
    select array(
        select e.outcome from unnest((
            select freshness.end_refreshes(
                t, array_agg(j.symbol order by j.symbol),
                array_agg(case when j.symbol = p_lost then -1 else j.fence end order by j.symbol), p_rows, null, null,
                null
            )
            from freshness.jobs as j join freshness.data_types as t on t.name = j.data_type
            where j.data_type = 'pgtap_quote'
            group by t
        )) as e
        order by 1
    )
$$;
select throws_ok(
    $$ select freshness_pgtap.end_all(array['[{"price": 2}]', '[{"symbol": "X"}]']::jsonb[], null) $$, 'FR005', null,
    'one that cannot be stored ends none'
);
select results_eq(
    $$
    select j.state::text, q.price from freshness.jobs as j join freshness_pgtap.quotes as q on q.symbol = j.symbol
    where j.data_type = 'pgtap_quote'
    $$,
    $$ values ('running', 1::numeric), ('running', 1::numeric) $$, 'and nothing is changed'
);
select is(
    freshness_pgtap.end_all(array['[{"price": 2}]', '[{"price": 3}]']::jsonb[], 'B'), array['fresh'],
    'a fence that was lost before is left out'
);
select results_eq(
    'select symbol, price from freshness_pgtap.quotes order by 1', $$ values ('A', 2::numeric), ('B', 1::numeric) $$,
    'and its rows are not stored'
);

select * from finish();
rollback;
