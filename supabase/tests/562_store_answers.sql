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
create table freshness_pgtap.answers as
select a.*
from unnest((
    select freshness.store_answers(
        t, array_agg(j order by j.symbol),
        array[
            row('[{"price": 2}]', null, null, null, null, null, null)::freshness.stored_answer,
            row(null, null, null, null, null, null, null)::freshness.stored_answer
        ]
    )
    from freshness.jobs as j
    join freshness.data_types as t on t.name = j.data_type
    where j.data_type = 'pgtap_quote'
    group by t
)) as a;
select results_eq(
    'select outcome from freshness_pgtap.answers', array['fresh', 'unchanged'], 'each answer is told how it ended'
);
select results_eq(
    'select symbol, price from freshness_pgtap.quotes order by 1', $$ values ('A', 2::numeric), ('B', 1::numeric) $$,
    'rows are stored, and no rows leave what is there'
);
select is(
    current_setting('freshness.storing', true), '', 'writes that follow in the same transaction are not taken for ours'
);
select throws_ok(
    $$
    select freshness.store_answers(
        t, array[j], array[row('[{"symbol": "X"}]', null, null, null, null, null, null)::freshness.stored_answer]
    )
    from freshness.jobs as j join freshness.data_types as t on t.name = j.data_type
    where j.data_type = 'pgtap_quote' and j.symbol = 'A'
    $$,
    'FR005', null, 'rows of another symbol are refused'
);

select * from finish();
rollback;
