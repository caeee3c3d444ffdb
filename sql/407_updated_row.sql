-- Updates are judged row by row, by a condition in the trigger itself: a row that became fresher calls nothing, and no
-- copies of the rows are kept for a function. What Postgres asks for that is in docs/decisions/0014.

create function freshness.update_condition(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (
        select
            -- A second ahead counts as now, whatever the ttl. What could fail is not converted: the writer would fail.
            format(
                'least(greatest(old.%1$I, new.%1$I), %2$s) is distinct from new.%1$I', a.attname,
                case a.atttypid
                    when 'timestamptz'::regtype then 'clock_timestamp() + interval ''1 second'''
                    when 'timestamp'::regtype then
                        format('(clock_timestamp() at time zone %L) + interval ''1 second''', p_type.time_zone)
                    else format('(clock_timestamp() at time zone %L)::date', p_type.time_zone)
                end
            )
            || coalesce(
                (
                    select
                        format(
                            ' or old.%1$I::text%2$s is distinct from new.%1$I::text%2$s', s.attname,
                            -- Symbols that a collation takes to be equal are two.
                            case when not o.collisdeterministic then ' collate "C"' end
                        )
                    from pg_catalog.pg_attribute as s
                    left join pg_catalog.pg_collation as o on o.oid = s.attcollation
                    where s.attrelid = p_type.data_table and s.attname = p_type.symbol_column and not s.attisdropped
                ),
                ''
            )
            || coalesce(replace(' or old.@ is distinct from new.@', '@', quote_ident(p_type.ttl_column)), '')
        from pg_catalog.pg_attribute as a
        join pg_catalog.pg_class as c on c.oid = a.attrelid
        where
            a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column and not a.attisdropped
            and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
            -- An update of a partitioned table may move a row, which is no update then; a row of a child table has only
            -- its own table's triggers; and a function may take any change as it likes.
            and c.relkind = 'r' and not c.relhassubclass
            and p_type.deadline_function is null and p_type.staleness_function is null
    );
end
$$;

comment on function freshness.update_condition(freshness.data_types) is
    'SQL over an updated row''s old and new values: whether its key''s deadline may have come earlier. Null when only'
    ' the statement''s rows together can tell.';

create function freshness.judge_updated_row(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (
        select format(
            $body$
                    v_is_fresher := (
                        %1$s >= %2$s and %1$s <= clock_timestamp() + %3$L::interval
                        or new.%4$I is null and old.%4$I is null
                    ) and %5$s%6$s;
                    v_symbols := array[%7$s];
                    v_newest := array[%8$s];$body$,
            freshness.timestamp_expression(a.atttypid, p_type.time_zone, format('new.%I', a.attname)), e.moment,
            least(p_type.ttl, interval '1 minute'), a.attname,
            coalesce(replace('new.@::text = old.@::text', '@', quote_ident(p_type.symbol_column)), 'true'),
            replace(' and new.@ is not distinct from old.@', '@', quote_ident(p_type.ttl_column)),
            coalesce('old.' || quote_ident(p_type.symbol_column) || '::text', '''GLOBAL'''),
            -- A shorter ttl of its own brings a row's deadline forward at the same timestamp.
            case
                when p_type.ttl_column is not null then 'null::timestamptz'
                else format(
                    'case when %1$s <= clock_timestamp() + %2$L::interval then %1$s end',
                    e.moment, least(p_type.ttl, interval '1 minute')
                )
            end
        )
        from pg_catalog.pg_attribute as a
        cross join lateral (
            select freshness.timestamp_expression(a.atttypid, p_type.time_zone, format('old.%I', a.attname)) as moment
        ) as e
        where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column and not a.attisdropped
    );
end
$$;

comment on function freshness.judge_updated_row(freshness.data_types) is
    'PL/pgSQL for one updated row: whether its key''s deadline came no earlier, else the key and the timestamp that was'
    ' taken away of it.';
