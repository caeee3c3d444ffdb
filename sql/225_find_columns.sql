-- Checks of a registration against the catalog. Each error names what is missing and what to do.

create function freshness.find_column(p_table regclass, p_column text, p_role text, p_types text[] default null)
returns oid
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_type oid;
begin
    select a.atttypid into v_type
    from pg_catalog.pg_attribute as a
    where a.attrelid = p_table and a.attname = p_column and a.attnum > 0 and not a.attisdropped;

    if v_type is null then
        raise exception using
            errcode = 'FR002',
            message = format('column "%s" of table %s does not exist', p_column, p_table),
            hint = format('Pass the name of its %1$s column as %1$s_column.', p_role)
            || case when p_role = 'symbol' then ' Null stands for a global table.' else '' end;
    elsif not (v_type = any (p_types::regtype[]::oid[])) then
        raise exception using
            errcode = 'FR002',
            message = format('column "%s" of table %s has type %s', p_column, p_table, v_type::regtype),
            hint = format('A %s column has one of the types %s.', p_role, array_to_string(p_types, ', '));
    end if;
    return v_type;
end
$$;

comment on function freshness.find_column(regclass, text, text, text[]) is
    'Type of a column; FR002 with a hint when it does not exist or has none of the given types.';

create function freshness.find_timestamp_column(p_table regclass, p_column text)
returns oid
language sql
stable
set search_path = pg_temp
as $$
    select freshness.find_column(
        p_table, p_column, 'timestamp', array['timestamp with time zone', 'timestamp without time zone', 'date']
    )
$$;

comment on function freshness.find_timestamp_column(regclass, text) is 'Type of a column of times; FR002 otherwise.';

create function freshness.find_ttl_column(p_table regclass, p_column text)
returns oid
language sql
stable
set search_path = pg_temp
as $$
    select freshness.find_column(
        p_table, p_column, 'ttl', array['interval', 'integer', 'bigint', 'smallint', 'numeric']
    )
    where p_column is not null
$$;

comment on function freshness.find_ttl_column(regclass, text) is
    'Type of a column of times-to-live, null for no column; FR002 otherwise.';

create function freshness.find_key_columns(p_table regclass, p_symbol_column text)
returns text[]
language sql
stable
set search_path = pg_temp
as $$
    select array_agg(a.attname::text order by c.position)
    from pg_catalog.pg_index as i
    cross join unnest(i.indkey) with ordinality as c (attnum, position)
    join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = c.attnum
    where
        i.indrelid = p_table
        and i.indisunique and i.indisvalid and i.indimmediate
        and i.indpred is null and i.indexprs is null
        and c.position <= i.indnkeyatts
    group by i.indexrelid, i.indisprimary
    having p_symbol_column is null or p_symbol_column = any (array_agg(a.attname::text))
    order by i.indisprimary desc, count(*), i.indexrelid
    limit 1
$$;

comment on function freshness.find_key_columns(regclass, text) is
    'Columns of the unique index that an upsert goes by: the primary key when it has the symbol column, else the'
    ' narrowest that has it; null when there is none.';
