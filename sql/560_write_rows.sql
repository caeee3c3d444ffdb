create function freshness.write_rows(p_type freshness.data_types, p_symbol text, p_rows jsonb)
returns void
language plpgsql
set search_path = ''
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

create function freshness.store_answer(
    p_type freshness.data_types, p_job freshness.jobs, p_rows jsonb,
    out outcome text, out not_before timestamptz, out reason text
)
language plpgsql
set search_path = ''
as $$
declare
    v_rows jsonb;
    v_newest timestamptz;
    v_stored_at timestamptz;
    v_stale_since timestamptz;
begin
    if p_rows is null then
        outcome := 'unchanged';
        return;
    end if;
    v_rows := freshness.prepare_rows(p_type, p_job.symbol, p_rows, p_job.started_at);
    v_newest := freshness.newest_timestamp(p_type, v_rows);
    perform freshness.lock_rows(p_type, p_job.symbol) where p_type.write_mode = 'replace';
    select l.stored_at into v_stored_at from freshness.look(p_type.name, array[p_job.symbol]) as l;

    -- A stored timestamp ahead of the clock says nothing about what is newer. (And least passes over a null.)
    if p_job.stored_at is not null and v_newest < least(p_job.stored_at, p_job.started_at) then
        raise exception using errcode = 'FR006',
            message = format('rows of %s are older than the stored ones of %s', v_newest, p_job.stored_at),
            hint = 'The source answered with an older state; the stored rows are kept.';
    elsif v_newest < v_stored_at and v_stored_at <= clock_timestamp() then
        outcome := 'superseded';
        return;
    end if;

    outcome := case
        when jsonb_array_length(v_rows) = 0 then 'missing' when v_newest = p_job.stored_at then 'unchanged' else 'fresh'
    end;
    perform set_config('freshness.storing', 'on', true);
    if outcome <> 'missing' or p_type.write_mode = 'replace' then
        perform freshness.write_rows(p_type, p_job.symbol, v_rows);
    end if;
    perform set_config('freshness.storing', '', true);

    -- A source that repeats a timestamp of its own, by which its rows are stale, has nothing newer yet.
    if outcome = 'unchanged' and jsonb_path_exists(p_rows, '$[*].keyvalue() ? (@.key == $c && @.value != null)',
        jsonb_build_object('c', p_type.timestamp_column))
    then
        select l.fresh_until into v_stale_since
        from freshness.look(p_type.name, array[p_job.symbol], '-infinity') as l where l.fresh_until <= clock_timestamp();
        if found then
            outcome := 'stale';
            not_before := clock_timestamp() + freshness.stale_wait(p_type, v_stale_since);
            reason := format('the source''s rows of %s are stale and no newer than the stored ones', v_newest);
        end if;
    end if;
end
$$;

comment on function freshness.store_answer(freshness.data_types, freshness.jobs, jsonb) is
    'Part of finish: stores the rows of a running job if they are as new as the stored ones (null: the source says that'
    ' nothing has changed), and says how the refresh ended. stale: not to be tried before not_before, for that reason.';
