create function freshness.register_data_type(
    name text,
    data_table text,
    ttl interval,
    symbol_column text default 'symbol',
    timestamp_column text default 'fetched_at',
    time_zone text default 'UTC',
    ttl_column text default null,
    refresh_ahead interval default '0',
    keep_warm interval default '60 seconds',
    write_mode text default 'upsert',
    source text default null,
    priority integer default 0,
    max_attempts integer default 5,
    deadline_function text default null,
    staleness_function text default null,
    estimated_size_bytes bigint default null,
    triggers boolean default true
)
returns freshness.data_types
language plpgsql
set search_path = ''
as $$
#variable_conflict use_variable
declare
    v_table regclass := freshness.find_table(data_table);
    v_old_table regclass := (select t.data_table from freshness.data_types as t where t.name = register_data_type.name);
    v_key_columns text[];
    v_row freshness.data_types;
begin
    if not exists (select from pg_catalog.pg_timezone_names as z where z.name = time_zone) then
        raise exception using
            errcode = 'FR002',
            message = format('time zone %s does not exist', coalesce(quote_literal(time_zone), 'null')),
            hint = 'Pass a name from pg_timezone_names, such as ''UTC'' or ''Europe/Berlin''.';
    end if;
    perform freshness.find_column(
        v_table, timestamp_column, 'timestamp',
        array['timestamp with time zone', 'timestamp without time zone', 'date']
    );
    perform freshness.find_column(
        v_table, ttl_column, 'ttl', array['interval', 'integer', 'bigint', 'smallint', 'numeric']
    )
    where ttl_column is not null;
    if symbol_column is not null and not exists (
        select from pg_catalog.pg_attribute as a
        where a.attrelid = v_table and a.attname = symbol_column and a.attnum > 0 and not a.attisdropped
    ) then
        raise exception using
            errcode = 'FR002',
            message = format('column "%s" of table %s does not exist', symbol_column, v_table),
            hint = 'Pass the column that names the entity as symbol_column,'
            ' or symbol_column => null for a global table.';
    end if;
    if write_mode = 'upsert' then
        v_key_columns := freshness.find_key_columns(v_table, symbol_column);
        if v_key_columns is null then
            raise exception using
                errcode = 'FR002',
                message = format(
                    'table %s has no unique index%s', v_table, coalesce(' with column ' || symbol_column, '')
                ),
                hint = 'Create one to upsert by, or pass write_mode => ''append'' or ''replace''.';
        end if;
    end if;

    insert into freshness.data_types as t (
        name, data_table, symbol_column, timestamp_column, time_zone, ttl, ttl_column, refresh_ahead, keep_warm,
        write_mode, key_columns, source, priority, max_attempts, deadline_function, staleness_function,
        estimated_size_bytes
    )
    values (
        name, v_table, symbol_column, timestamp_column, time_zone, ttl, ttl_column, refresh_ahead, keep_warm,
        write_mode, v_key_columns, source, priority, max_attempts,
        freshness.find_function(
            deadline_function, 'timestamptz,interval', 'timestamptz'::regtype, 'deadline'
        ),
        freshness.find_function(
            staleness_function, 'timestamptz,integer', 'boolean'::regtype, 'staleness'
        ),
        estimated_size_bytes
    )
    on conflict on constraint data_types_pkey do update set
        data_table = excluded.data_table,
        symbol_column = excluded.symbol_column,
        timestamp_column = excluded.timestamp_column,
        time_zone = excluded.time_zone,
        ttl = excluded.ttl,
        ttl_column = excluded.ttl_column,
        refresh_ahead = excluded.refresh_ahead,
        keep_warm = excluded.keep_warm,
        write_mode = excluded.write_mode,
        key_columns = excluded.key_columns,
        source = excluded.source,
        priority = excluded.priority,
        max_attempts = excluded.max_attempts,
        deadline_function = excluded.deadline_function,
        staleness_function = excluded.staleness_function,
        estimated_size_bytes = excluded.estimated_size_bytes
    returning t.* into v_row;

    perform freshness.define_look(name);
    if v_old_table <> v_table then
        perform freshness.detach_data_triggers(v_old_table);
    end if;
    perform freshness.attach_data_triggers(v_table) where triggers;
    perform freshness.reconsider(name);
    return v_row;
end
$$;

comment on function freshness.register_data_type is
    'Adds a data type to the registry, or changes it; doing it twice changes nothing. data_table: schema-qualified'
    ' name; ttl: how long a row stays fresh; symbol_column: null for a global table; write_mode: upsert, append or'
    ' replace; triggers => false leaves the data table without ours. FR002 names a table, column, time zone, function'
    ' or unique index that does not exist.';
