begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(9);

create schema freshness_pgtap;
create table freshness_pgtap.quotes (
    symbol text primary key, price numeric not null, note text default 'default', fetched_at timestamptz
);
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
end
$$;
insert into freshness_pgtap.quotes
select s, 1, 'as it was', now() - interval '1 hour' from unnest(array['A', 'B', 'C', 'D', 'E']) as s;
create table freshness_pgtap.worker as select freshness.announce_worker('pgtap') as id;
do $$
begin
    perform freshness.request('pgtap_quote', array['A', 'B', 'C', 'D', 'E', 'F'], true);
    perform freshness.claim(w.id, array['pgtap_quote'], 10) from freshness_pgtap.worker as w;
end
$$;
-- Somebody else has stored a newer row of C meanwhile.
update freshness_pgtap.quotes set fetched_at = clock_timestamp() where symbol = 'C';

create function freshness_pgtap.end_plainly(p_symbols text[], p_rows text[]) returns text
language sql as $$
    select string_agg(j.symbol || ' ' || e.outcome, ', ' order by j.symbol)
    from (
        select j.symbol, j.fence from freshness.jobs as j
        where j.data_type = 'pgtap_quote' and j.symbol = any (p_symbols)
    ) as j
    join unnest(freshness.ends_pgtap_quote(
        p_symbols,
        array(
            select j.fence from unnest(p_symbols) with ordinality as u (symbol, n)
            join freshness.jobs as j on j.data_type = 'pgtap_quote' and j.symbol = u.symbol order by u.n
        ),
        p_rows, null, null, null
    )) as e on e.fence = j.fence
$$;
create function freshness_pgtap.body() returns text language sql as $$
    select freshness.write_plainly(t) from freshness.data_types as t where t.name = 'pgtap_quote'
$$;

select is(
    freshness_pgtap.end_plainly(
        array['A', 'B', 'C', 'F'],
        array['[{"price": 2}]', '[{"price": 3, "note": null, "symbol": "B"}]', '[{"price": 4}]', '[{"price": 5}]']
    ),
    'A fresh, B fresh', 'one newer row each takes the place of a stored one'
);
select results_eq(
    'select symbol, price, note from freshness_pgtap.quotes order by 1',
    $$
    values ('A', 2::numeric, 'as it was'), ('B', 3, null), ('C', 1, 'as it was'), ('D', 1, 'as it was'),
    ('E', 1, 'as it was')
    $$,
    'with the columns that it names; a newer row and an absent one are left'
);
select results_eq(
    $$ select fetched_at from freshness_pgtap.quotes where symbol = 'A' $$,
    $$ select verified_at from freshness.jobs where data_type = 'pgtap_quote' and symbol = 'A' $$,
    'as of the start of the fetch'
);
select is(
    freshness_pgtap.end_plainly(array['D', 'E'], array['[{"note": "x"}]', '[{"price": 9}, {"price": 8}]']), null,
    'one that an insert would refuse is left, and so are several'
);
select is(
    freshness_pgtap.end_plainly(array['D', 'E'], array['[{"price": 9, "other": 1}]', '[{"price": 9, "symbol": "X"}]']),
    null, 'and so is what names another column or another symbol'
);
create function freshness_pgtap.do_nothing() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger do_nothing before insert on freshness_pgtap.quotes
for each row execute function freshness_pgtap.do_nothing();
select is(
    freshness_pgtap.end_plainly(array['D'], array['[{"price": 9}]']), null,
    'a table whose inserts call a trigger is left to them'
);
drop trigger do_nothing on freshness_pgtap.quotes;
update freshness.data_types set write_mode = 'append', key_columns = null where name = 'pgtap_quote';
select is(
    freshness_pgtap.end_plainly(array['D'], array['[{"price": 9}]']), null, 'and so is one that is not upserted any more'
);
select is(freshness_pgtap.body(), '', 'for which nothing is written');
update freshness.data_types set write_mode = 'upsert' where name = 'pgtap_quote';
select is(freshness_pgtap.end_plainly(array['D'], array['[{"price": 9}]']), 'D fresh', 'otherwise it is stored');

select * from finish();
rollback;
