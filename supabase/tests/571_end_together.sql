begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(8);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
select function_returns(
    'freshness', 'ends_pgtap_quote', array['text[]', 'bigint[]', 'text[]', 'text[]', 'bigint[]', 'integer[]'],
    'freshness.ended[]', 'registration writes a function'
);
select ok(
    not has_function_privilege(
        'anon', 'freshness.ends_pgtap_quote(text[], bigint[], text[], text[], bigint[], integer[])', 'execute'
    ),
    'which is for its owner only'
);
insert into freshness_pgtap.quotes
select s, 1, now() - interval '1 hour' from unnest(array['A', 'B', 'C', 'D']) as s;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
create function freshness_pgtap.start() returns void language plpgsql as $$
begin
    perform freshness.request('pgtap_quote', array['A', 'B', 'C', 'D'], true);
    perform freshness.claim(w.id, array['pgtap_quote'], 10) from freshness_pgtap.worker as w;
end
$$;
create function freshness_pgtap.end_all(p_lost text, p_rows text[]) returns text
language sql as $$
    select string_agg(j.symbol || ' ' || coalesce(e.outcome, '-'), ', ' order by j.symbol)
    from (
        select array_agg(j.symbol order by j.symbol) as symbols,
            array_agg(case when j.symbol = p_lost then -1 else j.fence end order by j.symbol) as fences
        from freshness.jobs as j where j.data_type = 'pgtap_quote'
    ) as g
    join freshness.jobs as j on j.data_type = 'pgtap_quote'
    join unnest(freshness.end_together('pgtap_quote', g.symbols, g.fences, p_rows, null, null, null)) as e
        on e.fence = j.fence
$$;
select freshness_pgtap.start() \g /dev/null
select is(
    freshness_pgtap.end_all('D', array['[{"price": 2}]', null, '[]', '[{"price": 2}]']),
    'A fresh, B unchanged, C missing', 'what is plain ends by it, what is not ends besides, what is lost does not'
);
select results_eq(
    'select symbol, price from freshness_pgtap.quotes order by 1',
    $$ values ('A', 2::numeric), ('B', 1), ('C', 1), ('D', 1) $$, 'and is not stored'
);
select freshness_pgtap.start() \g /dev/null
select is(
    freshness_pgtap.end_all(null, array['[{"price": "?"}]', '[{"price": 3}]', null, 'no JSON']),
    'A -, B fresh, C unchanged, D -', 'one that raises spoils no other'
);
alter table freshness_pgtap.quotes rename to prices;
select is(
    freshness_pgtap.end_all(null, array['[{"price": 4}]', null, null, '[{"price": 4}]']),
    'A fresh, D fresh', 'those of a table that was renamed end the general way'
);
select is(
    freshness.end_together('pgtap_gone', '{A}', '{1}', '{}', '{}', '{}', '{}'), '{}'::freshness.ended[],
    'what is not registered ends nothing'
);
do $$
begin
    perform freshness.unregister_data_type('pgtap_quote');
end
$$;
select hasnt_function('freshness', 'ends_pgtap_quote', 'and the function goes with the data type');

select * from finish();
rollback;
