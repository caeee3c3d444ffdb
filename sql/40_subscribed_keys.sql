-- Which keys a Realtime subscription watches. Filters are read by name through jsonb: their type changed three times
-- in a year, and reads by ordinal or by text broke.

create function freshness.filter_values(p_filters jsonb, p_column text)
returns table (ordinal bigint, value text)
language sql
immutable
rows 2
set search_path = ''
as $$
    select f.ordinal, v.value
    from jsonb_array_elements(p_filters) with ordinality as f (filter, ordinal)
    cross join lateral unnest(
        case f.filter ->> 'op'
            when 'eq' then array[f.filter ->> 'value']
            when 'in' then (f.filter ->> 'value')::text[]
        end
    ) as v (value)
    where
        f.filter ->> 'column_name' = p_column
        and f.filter ->> 'op' in ('eq', 'in')
        and not coalesce((f.filter ->> 'negate')::boolean, false)
$$;

comment on function freshness.filter_values(jsonb, text) is
    'Values that the filters (a json array of realtime.user_defined_filter) ask of a column, by the filter''s place.'
    ' Only eq and in, not negated; others narrow what is shown, not which key is watched.';

create function freshness.subscribed_keys(p_rows bigint[])
returns table (subscription_row bigint, subscription_id uuid, data_type text, symbol text)
language plpgsql
stable
rows 10
set search_path = ''
as $$
#variable_conflict use_column
begin
    return query
    with subscriptions as materialized (
        select s.id, s.subscription_id, t.name, t.symbol_column, to_jsonb(s.filters) as filters
        from realtime.subscription as s
        join freshness.data_types as t
            on t.data_table = s.entity or t.data_table = pg_catalog.pg_partition_root(s.entity)
        where s.id = any (p_rows)
    ),

    asked as materialized (
        select s.id, s.subscription_id, s.name, v.ordinal, v.value
        from subscriptions as s
        cross join lateral freshness.filter_values(s.filters, s.symbol_column) as v
        where s.symbol_column is not null
    ),

    canonical as materialized (
        select a.name, c.given, c.symbol
        from (select d.name, array_agg(distinct d.value) as given from asked as d group by d.name) as a
        cross join lateral freshness.canonical_symbols(a.name, a.given) as c
    ),

    -- Several filters on the symbol column all have to hold.
    watched as (
        select a.id, a.subscription_id, a.name, c.symbol
        from asked as a
        join canonical as c on c.name = a.name and c.given = a.value and c.symbol is not null
        group by a.id, a.subscription_id, a.name, c.symbol
        having count(distinct a.ordinal) = (
            select count(distinct o.ordinal) from asked as o where o.id = a.id and o.name = a.name
        )
    )

    select w.id, w.subscription_id, w.name, w.symbol from watched as w
    union all
    select s.id, s.subscription_id, s.name, 'GLOBAL' from subscriptions as s where s.symbol_column is null
    union all
    select s.id, s.subscription_id, s.name, null
    from subscriptions as s
    where
        s.symbol_column is not null
        and not exists (select from watched as w where w.id = s.id and w.name = s.name);
end
$$;

comment on function freshness.subscribed_keys(bigint[]) is
    'Keys that these rows of realtime.subscription watch. A symbol of null: on a registered table, but names no key'
    ' (no usable filter on the symbol column, or no valid symbol). Rows on other tables are left out.';
