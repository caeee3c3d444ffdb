begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(7);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (
    symbol text primary key, price numeric, note text default 'as it was', fetched_at timestamptz
);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes
select s, 1, 'as it was', now() - interval '1 hour' from unnest(array['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H']) as s;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
do $$
begin
    perform freshness.request('pgtap_quote', array['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'], true);
    perform freshness.claim(w.id, array['pgtap_quote'], 10) from freshness_pgtap.worker as w;
end
$$;
-- Somebody else has stored a newer row of F meanwhile.
update freshness_pgtap.quotes set fetched_at = clock_timestamp() where symbol = 'F';

create function freshness_pgtap.store(p_symbols text[], p_rows jsonb[]) returns boolean[]
language sql as $$
    select freshness.store_together(
        t,
        array(
            select j from unnest(p_symbols) with ordinality as u (symbol, n)
            join freshness.jobs as j on j.data_type = t.name and j.symbol = u.symbol order by u.n
        ),
        array(
            select row(r, null, null, null, null, null, null)::freshness.stored_answer
            from unnest(p_rows) with ordinality as u (r, n) order by u.n
        )
    )
    from freshness.data_types as t where t.name = 'pgtap_quote'
$$;
select is(
    freshness_pgtap.store(
        array['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'],
        array[
            '[{"price": 2}]', '[{"price": 3, "note": "new"}]',
            '[{"price": 4, "symbol": "C", "fetched_at": null}]',
            jsonb_build_array(jsonb_build_object('price', 5, 'fetched_at', now() - interval '1 minute')),
            jsonb_build_array(jsonb_build_object('price', 6, 'fetched_at', now() - interval '2 hours')),
            '[{"price": 7}]', '[{"price": 8, "symbol": "X"}]', '[]'
        ]::jsonb[]
    ),
    array[true, true, true, true, false, false, false, false],
    'newer rows of their own keys are stored; old, overtaken and foreign ones are left, and so is what has none'
);
select results_eq(
    'select symbol, price, note from freshness_pgtap.quotes order by 1',
    $$
    values ('A', 2::numeric, 'as it was'), ('B', 3, 'new'), ('C', 4, 'as it was'), ('D', 5, 'as it was'),
    ('E', 1, 'as it was'), ('F', 1, 'as it was'), ('G', 1, 'as it was'), ('H', 1, 'as it was')
    $$,
    'each with the columns that its own rows name'
);
select results_eq(
    $$
    select q.symbol, q.fetched_at from freshness_pgtap.quotes as q where q.symbol in ('A', 'D') order by 1
    $$,
    $$
    select j.symbol, case j.symbol when 'A' then j.started_at else now() - interval '1 minute' end
    from freshness.jobs as j where j.data_type = 'pgtap_quote' and j.symbol in ('A', 'D') order by 1
    $$,
    'with their own timestamps, or the start of the fetch'
);
select is(
    freshness_pgtap.store(
        array['A', 'B', 'C'], array[null, '{"price": 9}', '[{"price": 9}, 7]']::jsonb[]
    ),
    array[false, false, false], 'what confirms, or is no list of rows, is left'
);
select is(
    freshness_pgtap.store(array['A', 'G'], array['[{"price": 9}, {"note": "x"}]', '[{"price": 9}]']::jsonb[]),
    array[false, true], 'rows of one key that name different columns are left'
);
select is(
    freshness_pgtap.store(array['H'], array['[{"price": 9}]']::jsonb[]), array[false], 'a single key is left'
);
do $$
begin
    update freshness.data_types set write_mode = 'append' where name = 'pgtap_quote';
end
$$;
select is(
    freshness_pgtap.store(array['A', 'H'], array['[{"price": 9}]', '[{"price": 9}]']::jsonb[]),
    array[false, false], 'and so is whatever is not upserted'
);

select * from finish();
rollback;
