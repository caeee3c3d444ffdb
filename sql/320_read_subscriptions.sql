-- Which keys a Realtime subscription watches. Filters are read by name through jsonb: their type changed three times
-- in a year, and reads by ordinal or by text broke.
create function freshness.read_subscriptions(p_rows bigint[])
returns table (subscription_row bigint, subscription_id uuid, data_type text, symbol text)
language plpgsql
stable
rows 10
set search_path = pg_temp
-- Thousands are read where the planner sees ten: never all with all. One plan serves one row and all of them.
set enable_nestloop = off
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    -- The limit makes it a probe by primary key for each row, whatever the planner takes the table for.
    with slice as materialized (
        select s.*
        from (select distinct n from unnest(p_rows) as n) as r (id)
        cross join lateral (
            select o.id, o.subscription_id, o.entity, o.filters
            from realtime.subscription as o
            where o.id = r.id
            limit 1
        ) as s
    ),

    tables as materialized (
        select e.entity, t.name, t.symbol_column
        from (select distinct s.entity from slice as s) as e
        join freshness.data_types as t on t.data_table in (e.entity, pg_catalog.pg_partition_root(e.entity))
    ),

    subscriptions as materialized (
        select
            s.id, s.subscription_id, t.name, t.symbol_column, to_jsonb(s.filters) as filters,
            cardinality(s.filters) = 1 as is_simple
        from slice as s
        join tables as t on t.entity = s.entity
    ),

    -- Nearly all have one filter with one symbol, and are read in a third of the time.
    simple as materialized (
        select s.id, s.subscription_id, s.name, case
            when
                s.filters #>> '{0,column_name}' = s.symbol_column and s.filters #>> '{0,op}' = 'eq'
                and not coalesce((s.filters #>> '{0,negate}')::boolean, false)
                then s.filters #>> '{0,value}'
        end as value
        from subscriptions as s
        where s.is_simple and s.symbol_column is not null and s.filters #>> '{0,op}' <> 'in'
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
            (not s.is_simple or s.filters #>> '{0,op}' = 'in')
            and f.filter ->> 'column_name' = s.symbol_column
            and f.filter ->> 'op' in ('eq', 'in')
            and not coalesce((f.filter ->> 'negate')::boolean, false)
    ),

    canonical as materialized (
        select a.name, c.given, c.symbol
        from (
            select d.name, array_agg(d.value) as given
            from (select k.name, k.value from asked as k union select i.name, i.value from simple as i) as d
            where d.value is not null
            group by d.name
        ) as a
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
    left join watched as w on w.id = s.id and w.name = s.name
    where s.symbol_column is null or not s.is_simple or s.filters #>> '{0,op}' = 'in'
    union all
    select i.id, i.subscription_id, i.name, c.symbol
    from simple as i
    left join canonical as c on c.name = i.name and c.given = i.value;
end
$$;

comment on function freshness.read_subscriptions(bigint[]) is
    'Part of freshness.subscribed_keys: one of the rows may spoil the whole statement.';
