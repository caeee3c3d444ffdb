-- What most refreshes bring is one row that replaces a stored one. For that each data type has a statement of its own,
-- written when it is registered. It may not insert: what a column has by default is known at that moment only.
create function freshness.write_plainly(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
declare
    v_columns text[];
    v_required text[];
    v_assignments text;
begin
    if
        p_type.write_mode <> 'upsert' or p_type.key_columns is distinct from array[p_type.symbol_column]
        or not exists (
            -- Of another type, the timestamp that is stored is not always the one that was given. An update of a
            -- partitioned table may move a row, and one of a view is what its triggers make of it.
            select from pg_catalog.pg_attribute as a
            join pg_catalog.pg_class as c on c.oid = a.attrelid
            where
                a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
                and a.atttypid = 'timestamptz'::regtype and a.atttypmod = -1 and a.attgenerated = ''
                and c.relkind = 'r' and not c.relhassubclass and not c.relhasrules
        )
    then
        return '';
    end if;

    select
        array_agg(a.attname order by a.attnum),
        array_agg(a.attname order by a.attnum) filter (
            where a.attnotnull and not a.atthasdef and a.attidentity = ''
            and a.attname not in (p_type.symbol_column, p_type.timestamp_column)
        ),
        coalesce(string_agg(
            format('%1$I = case when k.content ? %1$L then (k.given).%1$I else r.%1$I end, ', a.attname), ''
            order by a.attnum
        ) filter (where a.attname not in (p_type.symbol_column, p_type.timestamp_column)), '')
    into v_columns, v_required, v_assignments
    from pg_catalog.pg_attribute as a
    where
        a.attrelid = p_type.data_table and a.attnum > 0 and not a.attisdropped
        and a.attgenerated = '' and a.attidentity <> 'a';

    -- With the row locked: only newer rows replace older ones, whoever else is writing. A trigger on inserts, or on
    -- columns that a row may not name, would see something else here than an upsert.
    return format(
        $body$
        if p_rows is null then
            null;
        elsif
            t.write_mode = 'upsert' and t.key_columns = array[%3$L]
            and not exists (
                select from pg_catalog.pg_trigger as g
                where
                    g.tgrelid = t.data_table and not g.tgisinternal and (g.tgtype & 4 <> 0 or g.tgattr::text <> '')
                    and g.tgname not like 'freshness\_%%'
            )
        then
            perform set_config('freshness.storing', 'on', true);
            with written as (
                update %1$s as r
                set %2$s%4$I = k.moment
                from (
                    select g.*, jsonb_populate_record(null::%1$s, g.content) as given
                    from (
                        select
                            c.symbol, c.fence, c.content, c.stored_at, c.started_at,
                            coalesce((c.content ->> %4$L)::timestamptz, c.started_at) as moment
                        from (
                            select
                                u.symbol, u.fence, j.stored_at, j.started_at,
                                case
                                    when u.rows -> 1 is null and jsonb_typeof(u.rows -> 0) = 'object' then u.rows -> 0
                                end as content
                            from (
                                select a.symbol, a.fence, a.rows::jsonb as rows
                                from unnest(p_symbols, p_fences, p_rows) as a (symbol, fence, rows)
                                offset 0
                            ) as u
                            cross join lateral (
                                select o.stored_at, o.started_at
                                from freshness.jobs as o
                                where o.data_type = %5$L and o.symbol = u.symbol and o.fence = u.fence
                                limit 1
                            ) as j
                            offset 0
                        ) as c
                        where
                            c.content - %6$L::text[] = '{}' and coalesce(c.content ->> %3$L, c.symbol) = c.symbol%7$s
                        offset 0
                    ) as g
                    where
                        (g.stored_at is null or g.moment >= least(g.stored_at, g.started_at))
                        and g.moment is distinct from g.stored_at
                    offset 0
                ) as k
                where
                    %8$s and (r.%4$I is null or r.%4$I <= k.moment or r.%4$I > clock_timestamp())
                returning k.fence
            )

            select array_agg(w.fence) into v_written from written as w;
            perform set_config('freshness.storing', '', true);
        end if;$body$,
        p_type.data_table, v_assignments, p_type.symbol_column, p_type.timestamp_column, p_type.name, v_columns,
        coalesce(' and c.content ?& ' || quote_literal(v_required::text) || '::text[]', ''),
        freshness.row_condition(p_type)
    );
end
$define$;

comment on function freshness.write_plainly(freshness.data_types) is
    'PL/pgSQL that stores each one row of p_rows by which a stored row of its own key becomes newer, and puts the'
    ' fences of their refreshes into v_written; t: the registry''s row. Empty for a table that this is not meant for.';
