-- Updates are judged row by row, by a condition in the trigger itself: a row that became fresher calls nothing, and no
-- copies of the rows are kept for a function. What Postgres asks for that is in docs/decisions/0014.

create function freshness.update_condition(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = ''
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
set search_path = ''
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

-- To judge a row takes some 200 microseconds. So the first of a transaction are judged, most of the others are only
-- written down for the fold, and when there are very many all keys are looked at.
create function freshness.are_too_many(p_data_type text, p_symbol text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    v_judged constant integer := 500;
    v_noted constant integer := 10000;
    v_setting constant text := 'freshness.older_rows_' || encode(convert_to(p_data_type, 'UTF8'), 'hex');
    v_rows constant integer := coalesce(nullif(current_setting(v_setting, true), ''), '0')::integer + 1;
begin
    if v_rows > v_noted + 1 then
        return true;
    end if;
    perform set_config(v_setting, v_rows::text, true);
    if v_rows <= v_judged then
        return false;
    elsif v_rows <= v_noted then
        insert into freshness.pulls (data_type, symbol, reason)
        select j.data_type, j.symbol, 'data changed'
        from freshness.jobs as j
        where j.data_type = p_data_type and j.symbol = p_symbol
        limit 1;
    else
        insert into freshness.pulls (data_type, reason) values (p_data_type, 'all keys');
    end if;
    -- Once is enough: it is told at the commit.
    if v_rows = v_judged + 1 then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
    return true;
end
$$;

comment on function freshness.are_too_many(text, text) is
    'Counts a row that became older in this transaction. False: it is to be judged. True for those of a data type after'
    ' 500, whose keys are left to the fold, and after 10,000 all keys.';
