-- SQL over the changed rows of one statement. It is dynamic: transition tables are seen by the trigger function itself
-- alone, not by a function that it calls, and their columns differ from table to table. Parts that concern a ttl column
-- are null without one, and so empty. PL/pgSQL keeps the plans of what builds it.

create function freshness.changed_rows(p_type freshness.data_types)
returns table (symbol text, symbols text, moment text)
language plpgsql
stable
set search_path = ''
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

create function freshness.may_be_earlier(p_type freshness.data_types, p_operation text, p_old text, p_new text)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
    return (
        select case p_operation
            when 'DELETE' then 'select true'
            when 'INSERT' then format(
                'select exists (select from %s as r where %s > $2 - $3 is not true or %2$s > $1%s)',
                p_new, c.moment, ' or r.' || quote_ident(p_type.ttl_column) || ' is not null'
            )
            else format(
                'select n.oldest < o.newest or n.newest > $1 or n.dated < n.rows'
                ' or n.symbols is distinct from o.symbols%s'
                ' from (select min(r.%2$I) as oldest, max(%3$s) as newest, count(r.%2$I) as dated, count(*) as rows,'
                ' %4$s as symbols%5$s from %6$s as r) as n,'
                ' (select max(r.%2$I) as newest, %4$s as symbols%7$s from %8$s as r) as o',
                ' or n.shortest < o.longest or n.own_ttl <> o.own_ttl' || left(p_type.ttl_column, 0),
                p_type.timestamp_column, c.moment, c.symbols,
                replace(', min(r.?) as shortest, count(r.?) as own_ttl', '?', quote_ident(p_type.ttl_column)),
                p_new,
                replace(', max(r.?) as longest, count(r.?) as own_ttl', '?', quote_ident(p_type.ttl_column)),
                p_old
            )
        end
        from freshness.changed_rows(p_type) as c
    );
end
$$;

comment on function freshness.may_be_earlier(freshness.data_types, text, text, text) is
    'SQL that says whether a statement may have brought a key''s deadline forward: a pass over the rows without any'
    ' grouping, false for rows that all became fresher. $1: the latest timestamp that counts, $2: now, $3: the ttl.';

create function freshness.earlier_keys(p_type freshness.data_types, p_operation text, p_old text, p_new text)
returns text
language plpgsql
stable
set search_path = ''
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
