create function freshness.write_rows(p_type freshness.data_types, p_symbol text, p_rows jsonb)
returns void
language plpgsql
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
    v_columns text[] := freshness.column_list(p_type, p_rows);
    v_list text := (
        select string_agg(quote_ident(c.name), ', ' order by c.n)
        from unnest(v_columns) with ordinality as c (name, n)
    );
    v_conflict text := ' on conflict do nothing';
begin
    if p_type.write_mode = 'replace' then
        execute format(
            'delete from %s as r where %s', p_type.data_table, freshness.key_condition(p_type)
        ) using p_symbol;
    elsif p_type.write_mode = 'upsert' then
        -- Row by row, and with the row locked: only newer rows replace older ones, whoever else is writing. A row from
        -- the future gives way to one from now.
        v_conflict := format(
            ' on conflict (%s) do %s',
            (select string_agg(quote_ident(k.name), ', ') from unnest(p_type.key_columns) as k (name)),
            coalesce((
                select format(
                    'update set %1$s where stored.%2$I is null or stored.%2$I <= excluded.%2$I'
                    ' or %3$s > clock_timestamp()',
                    string_agg(format('%1$I = excluded.%1$I', c.name), ', '),
                    p_type.timestamp_column,
                    freshness.timestamp_expression(
                        (
                            select a.atttypid from pg_catalog.pg_attribute as a
                            where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
                        ),
                        p_type.time_zone,
                        format('stored.%I', p_type.timestamp_column)
                    )
                )
                from unnest(v_columns) as c (name)
                where c.name <> all (p_type.key_columns)
                having count(*) > 0
            ), 'nothing')
        );
    end if;
    if cardinality(v_columns) > 0 then
        execute format(
            'insert into %1$s as stored (%2$s) select %2$s from jsonb_populate_recordset(null::%1$s, $1)%3$s',
            p_type.data_table, v_list, v_conflict
        ) using p_rows;
    end if;
end
$$;

comment on function freshness.write_rows(freshness.data_types, text, jsonb) is
    'Writes prepared rows of one key into its data table by the data type''s write mode, columns that they name only.';
