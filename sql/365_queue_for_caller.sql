-- Serve what is stored, and queue a refresh if it is due. The rows are read with the caller's rights, the rest is done
-- with ours. The bodies that a caller runs name our functions by "return": they are bound when they are defined, so
-- that browsers need no way into schema freshness.

create function freshness.queue_for_caller(p_data_type text, p_symbol text)
returns freshness.queued_key
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_type freshness.data_types;
    v_key freshness.queued_key;
    -- Not current_user, which is the owner here; no role was set: the one that logged in.
    v_caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    if v_type.name is null then
        raise exception using
            errcode = 'FR001',
            message = format('data type %s is not registered', coalesce(quote_literal(p_data_type), 'null')),
            hint = 'Register it with freshness.register_data_type.';
    elsif has_table_privilege(v_caller, v_type.data_table, 'select') is not true then
        raise exception using
            errcode = 'insufficient_privilege',
            message = format('permission denied for the table of data type %L', p_data_type),
            hint = 'Whoever may select from the table may ask for its keys.';
    end if;

    v_key.symbol := (select c.symbol from freshness.canonical_symbols(p_data_type, array[p_symbol]) as c);
    if v_key.symbol is null then
        raise exception using
            errcode = 'FR008',
            message = format('%s is no symbol of data type %L', coalesce(quote_literal(p_symbol), 'null'), p_data_type),
            hint = 'Pass a value of its symbol column, of 1 to 200 characters.';
    end if;

    v_key.queued := exists (
        select from freshness.request(
            p_data_type, array[v_key.symbol], p_priority => greatest(v_type.priority, 1)
        )
    );
    select
        case
            when j.state = 'running' then 'refreshing'
            when l.fresh_until > clock_timestamp() then 'fresh'
            when j.state = 'failed' then 'failed'
            when l.present then 'stale'
            else 'missing'
        end,
        case when isfinite(a.since) then greatest(extract(epoch from clock_timestamp() - a.since), 0) end,
        nullif(l.fresh_until, 'infinity')
    into v_key.status, v_key.age, v_key.fresh_until
    from freshness.look(p_data_type, array[v_key.symbol]) as l
    left join freshness.jobs as j on j.data_type = p_data_type and j.symbol = l.symbol
    cross join lateral (
        -- What a fetch has verified counts while the rows are those that it verified.
        select greatest(l.stored_at, case when l.stored_at >= j.stored_at then j.verified_at end) as since
    ) as a;
    v_key.data_type := p_data_type;
    v_key.data_table := v_type.data_table;
    v_key.symbol_column := v_type.symbol_column;
    v_key.timestamp_column := v_type.timestamp_column;
    return v_key;
end
$$;

comment on function freshness.queue_for_caller(text, text) is
    'Part of get_or_queue, with our rights: queues a refresh of a key if it is due, provided that the caller may select'
    ' from its table.';

create function freshness.answer_for_caller(p_key freshness.queued_key)
returns jsonb
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_rows jsonb;
begin
    execute format(
        'select coalesce(jsonb_agg(n.body), ''[]'') from ('
        'select to_jsonb(r) as body from %s as r where %s order by r.%I desc nulls last limit 1000) as n',
        p_key.data_table,
        case
            when p_key.symbol_column is null then 'true'
            else format(
                'r.%I = $1::%s', p_key.symbol_column,
                (
                    select format_type(a.atttypid, -1) from pg_catalog.pg_attribute as a
                    where a.attrelid = p_key.data_table and a.attname = p_key.symbol_column and not a.attisdropped
                )
            )
        end,
        p_key.timestamp_column
    ) into v_rows using p_key.symbol;
    return jsonb_build_object(
        'data_type', p_key.data_type,
        'symbol', p_key.symbol,
        'status', p_key.status,
        'age', p_key.age,
        'fresh_until', p_key.fresh_until,
        'queued', p_key.queued,
        'rows', v_rows
    );
end
$$;

comment on function freshness.answer_for_caller(freshness.queued_key) is
    'Part of get_or_queue, with the caller''s rights: what was found, and the rows that the caller may see, newest'
    ' first, at most 1,000.';
