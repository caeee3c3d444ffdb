create function freshness.watch_subscribed_keys()
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_table record;
    v_type freshness.data_types;
    v_body text := '';
    v_keys text;
begin
    for v_table in
        select t.data_table, array_agg(t order by t.name) as types
        from freshness.data_types as t
        join pg_catalog.pg_class as c on c.oid = t.data_table
        group by t.data_table
        -- Other symbols have to be cast.
        having bool_and(t.symbol_column is null or t.symbol_is_text)
        order by min(t.name)
        -- A session compiles all of it at its first subscriber.
        limit 50
    loop
        begin
            v_keys := '';
            foreach v_type in array v_table.types loop
                v_keys := v_keys || freshness.watch_subscribed_key(v_type, cardinality(v_table.types) = 1);
            end loop;
            v_body := v_body || format(
                e'\n    if v_row.data_table = %L then%s\n        return null;\n    end if;',
                v_table.data_table::text, v_keys
            );
        exception
            -- A column is gone: the long way knows what to do.
            when others then
                null;
        end;
    end loop;
    return v_body;
end
$$;

comment on function freshness.watch_subscribed_keys() is
    'PL/pgSQL for subscriptions to each registered table, 50 at most: the rest goes by watch_subscriptions.';
