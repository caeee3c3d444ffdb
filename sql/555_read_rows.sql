-- What prepared rows say: which columns they name, and how new they are; and which stored rows they are for.

create function freshness.column_list(p_type freshness.data_types, p_rows jsonb)
returns text[]
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_wrong text;
    v_columns text[];
begin
    select
        min(k.name) filter (where a.attname is null or a.attgenerated <> ''),
        array_agg(k.name order by a.attnum)
    into v_wrong, v_columns
    from (
        select distinct c.name
        from jsonb_array_elements(p_rows) as r
        cross join lateral jsonb_object_keys(r.value) as c (name)
    ) as k
    left join pg_catalog.pg_attribute as a
        on a.attrelid = p_type.data_table and a.attname = k.name and a.attnum > 0 and not a.attisdropped;

    if v_wrong is not null then
        raise exception using errcode = 'FR007',
            message = format('column "%s" of table %s does not exist or is generated', v_wrong, p_type.data_table),
            hint = 'A refresher returns rows with columns that can be written.';
    end if;
    return v_columns;
end
$$;

comment on function freshness.column_list(freshness.data_types, jsonb) is
    'Columns that the rows name, in the table''s order. FR007 names one that does not exist or is generated.';

create function freshness.newest_timestamp(p_type freshness.data_types, p_rows jsonb)
returns timestamptz
language plpgsql
stable
set search_path = pg_temp
set timezone = 'UTC'
as $$
declare
    v_newest timestamptz;
begin
    execute format(
        'select max(%s) from jsonb_populate_recordset(null::%s, $1) as r',
        freshness.timestamp_expression(
            (
                select a.atttypid from pg_catalog.pg_attribute as a
                where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
            ),
            p_type.time_zone,
            format('r.%I', p_type.timestamp_column)
        ),
        p_type.data_table
    ) into v_newest using p_rows;
    return v_newest;
end
$$;

comment on function freshness.newest_timestamp(freshness.data_types, jsonb) is
    'Newest timestamp among prepared rows; null when there are none.';

create function freshness.key_condition(p_type freshness.data_types)
returns text
language plpgsql
immutable
set search_path = pg_temp
as $$
begin
    return case when p_type.symbol_column is null then 'true' else format('r.%I::text = $1', p_type.symbol_column) end;
end
$$;

comment on function freshness.key_condition(freshness.data_types) is
    'SQL that picks a key''s rows r; $1 is the symbol.';

create function freshness.lock_rows(p_type freshness.data_types, p_symbol text)
returns void
language plpgsql
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
begin
    execute format(
        'select from %s as r where %s for update', p_type.data_table, freshness.key_condition(p_type)
    ) using p_symbol;
end
$$;

comment on function freshness.lock_rows(freshness.data_types, text) is
    'Waits for whoever is changing the rows of a key, so that what is looked at next is what will be replaced.';
