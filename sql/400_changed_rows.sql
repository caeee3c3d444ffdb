-- SQL over the changed rows of one statement. It is put together as text: transition tables are seen by the trigger
-- function itself alone, not by a function that it calls, and their columns differ from table to table.

create function freshness.changed_rows(p_type freshness.data_types)
returns table (symbol text, symbols text, moment text)
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return query
    select
        case when p_type.symbol_column is null then '''GLOBAL''' else format('r.%I::text', p_type.symbol_column) end,
        case
            when p_type.symbol_column is null then 'count(*)'
            else format('sum(hashtext(r.%I::text))', p_type.symbol_column)
        end,
        freshness.timestamp_expression(a.atttypid, p_type.time_zone, format('r.%I', p_type.timestamp_column))
    from pg_catalog.pg_attribute as a
    where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column and not a.attisdropped;
end
$$;

comment on function freshness.changed_rows(freshness.data_types) is
    'SQL for a changed row r: its symbol, a sum that differs when the symbols of two sets of rows do, its timestamp.';

create function freshness.earlier_keys(p_type freshness.data_types, p_operation text, p_old text, p_new text)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (
        select format(
            case p_operation
                when 'INSERT' then 'select array_agg(distinct %2$s), null::timestamptz[] from %4$s as r'
                when 'DELETE' then
                    'select array_agg(o.symbol), array_agg(o.newest)'
                    ' from (select %2$s as symbol, max(%1$s) filter (where %1$s <= $1) as newest'
                    ' from %3$s as r group by 1) as o'
                else
                    'select array_agg(o.symbol), array_agg(' || v.newest || ')'
                    ' from (select %2$s as symbol, max(%1$s) filter (where %1$s <= $1) as newest'
                    ' from %3$s as r group by 1) as o'
                    ' left join (select %2$s as symbol, max(%1$s) filter (where %1$s <= $1) as newest from %4$s as r'
                    ' group by 1) as n on n.symbol = o.symbol'
                    ' where n.newest is null or n.newest < o.newest'
            end
            || case when v.newest <> 'o.newest' and p_operation = 'UPDATE' then ' or true' else '' end,
            c.moment, c.symbol, p_old, p_new
        )
        from freshness.changed_rows(p_type) as c
        -- A shorter ttl of its own brings a row's deadline forward at the same timestamp.
        cross join (
            select case when p_type.ttl_column is null then 'o.newest' else 'null::timestamptz' end as newest
        ) as v
    );
end
$$;

comment on function freshness.earlier_keys(freshness.data_types, text, text, text) is
    'SQL for the keys whose deadline a statement may have brought forward, and the newest timestamp that it took away'
    ' of each. $1: the latest timestamp that counts.';
