-- Reading a subscription's filters in full, through jsonb, costs more than anything else a sweep does. Nearly all have
-- one filter, eq on the symbol column: those are plain, and read by the names of the filter type's fields.
create function freshness.plain_symbol()
returns text
language sql
stable
set search_path = pg_temp
-- It reads a few rows of a large catalog, also for a caller that compares all with all.
set enable_nestloop = on
as $$
    select case
        when c.names @> array['column_name', 'op', 'value'] then
            'case when t.symbol_column is null then ''GLOBAL'''
            || ' when (s.filter).column_name = t.symbol_column and (s.filter).op::text = ''eq'''
            || case when 'negate' = any (c.names) then ' and (s.filter).negate is not true' else '' end
            || ' then (s.filter).value::text end'
        -- A type of filter that is not known here: none is plain.
        else 'null::text'
    end
    from (
        select coalesce(array_agg(f.attname::text), '{}') as names
        from pg_catalog.pg_attribute as s
        join pg_catalog.pg_type as a on a.oid = s.atttypid
        join pg_catalog.pg_type as e on e.oid = a.typelem
        join pg_catalog.pg_attribute as f on f.attrelid = e.typrelid and f.attnum > 0 and not f.attisdropped
        where s.attrelid = to_regclass('realtime.subscription') and s.attname = 'filters' and not s.attisdropped
    ) as c
$$;

comment on function freshness.plain_symbol() is
    'SQL for the symbol that a subscription names, if it is plain, else null. In it t is the row of the registry, and'
    ' s.filter the only filter.';

create function freshness.differing_subscriptions(out plain bigint[], out others bigint[])
language plpgsql
stable
set search_path = pg_temp
-- All are compared with all, however few the planner takes them for while a sweep is filling an empty table.
set enable_nestloop = off
as $$
begin
    plain := '{}';
    others := '{}';
    if to_regclass('realtime.subscription') is null then
        return;
    end if;
    execute format(
        $query$
        with tables as materialized (
            select
                e.entity, t.name, t.symbol_column,
                t.symbol_column is null or (
                    select a.atttypid in ('text'::regtype, 'varchar'::regtype)
                    from pg_catalog.pg_attribute as a
                    where a.attrelid = t.data_table and a.attname = t.symbol_column and not a.attisdropped
                ) as is_text
            from (select distinct s.entity from realtime.subscription as s) as e
            join freshness.data_types as t on t.data_table in (e.entity, pg_catalog.pg_partition_root(e.entity))
        ),

        named as (
            select s.id, s.subscription_id, t.name, t.is_text, %s as symbol
            from (
                select
                    s.id, s.subscription_id, s.entity,
                    case when cardinality(s.filters) = 1 then s.filters[1] end as filter
                from realtime.subscription as s
                offset 0
            ) as s
            join tables as t on t.entity = s.entity
            offset 0
        ),

        differing as materialized (
            select
                n.id,
                (w.subscription_row is null and n.is_text and length(n.symbol) between 1 and 200) is true as is_plain
            from named as n
            left join freshness.watches as w on w.subscription_row = n.id and w.data_type = n.name
            where
                (w.subscription_id = n.subscription_id and w.symbol = n.symbol and w.watcher = 'realtime:' || n.id)
                is not true
                -- Those in the inbox are left to the next fold.
                and n.id not in (
                    select p.subscription_row from freshness.pulls as p where p.subscription_row is not null
                )
        )

        select
            array(select d.id from differing as d where d.is_plain order by d.id),
            array(select distinct d.id from differing as d where not d.is_plain order by d.id)
        $query$,
        freshness.plain_symbol()
    ) into plain, others;
end
$$;

comment on function freshness.differing_subscriptions() is
    'ids in realtime.subscription, in order, that may lack a watch or have a wrong one. plain: those with one filter,'
    ' eq on a symbol column of type text, and no watch. others: the rest; those with several filters or symbols, or'
    ' none, are always among them.';
