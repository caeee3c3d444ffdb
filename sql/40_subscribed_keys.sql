-- Which keys a Realtime subscription watches. Filters are read by name through jsonb: their type changed three times
-- in a year, and reads by ordinal or by text broke.
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

    -- Only eq and in, not negated, say which key is watched; other filters narrow what is shown of it. Written out
    -- here, since a function with a search path of its own is a call for each subscription.
    asked as materialized (
        select s.id, s.name, v.value, dense_rank() over (partition by s.id, s.name order by f.ordinal) as place
        from subscriptions as s
        cross join lateral jsonb_array_elements(s.filters) with ordinality as f (filter, ordinal)
        cross join lateral unnest(
            case f.filter ->> 'op'
                when 'eq' then array[f.filter ->> 'value']
                when 'in' then (f.filter ->> 'value')::text[]
            end
        ) as v (value)
        where
            f.filter ->> 'column_name' = s.symbol_column
            and f.filter ->> 'op' in ('eq', 'in')
            and not coalesce((f.filter ->> 'negate')::boolean, false)
    ),

    canonical as materialized (
        select a.name, c.given, c.symbol
        from (select d.name, array_agg(distinct d.value) as given from asked as d group by d.name) as a
        cross join lateral freshness.canonical_symbols(a.name, a.given) as c
    ),

    -- Several filters on the symbol column all have to hold.
    watched as (
        select a.id, a.name, c.symbol
        from (select a.*, max(a.place) over (partition by a.id, a.name) as filters from asked as a) as a
        join canonical as c on c.name = a.name and c.given = a.value and c.symbol is not null
        group by a.id, a.name, c.symbol, a.filters
        having count(distinct a.place) = a.filters
    )

    select s.id, s.subscription_id, s.name, case when s.symbol_column is null then 'GLOBAL' else w.symbol end
    from subscriptions as s
    left join watched as w on w.id = s.id and w.name = s.name;
end
$$;

comment on function freshness.subscribed_keys(bigint[]) is
    'Keys that these rows of realtime.subscription watch. A symbol of null: on a registered table, but names no key'
    ' (no usable filter on the symbol column, or no valid symbol). Rows on other tables are left out.';
