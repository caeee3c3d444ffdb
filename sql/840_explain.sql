create function freshness.explain(p_data_type text, p_symbol text)
returns table (data_type text, symbol text, status text, explanation text)
language plpgsql
stable
rows 1
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_type freshness.data_types;
    v_job freshness.jobs;
    v_symbol text := (select c.symbol from freshness.canonical_symbols(p_data_type, array[p_symbol]) as c);
    v_looked record;
    v_viewers integer;
    v_subscribed bigint[];
begin
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    if v_type.name is null then
        return query select p_data_type, p_symbol, 'unknown_data_type',
            'is not registered: freshness.register_data_type adds its data type';
        return;
    elsif v_symbol is null then
        return query select p_data_type, p_symbol, case when a.is_there then 'invalid_symbol' else 'failed' end,
            case
                when a.is_there then format(
                    'is no symbol of %s: it does not fit column %s of %s, or has not 1 to 200 characters',
                    p_data_type, v_type.symbol_column, v_type.data_table
                )
                else format(
                    'the table of %s or its column %s is gone: put it right and register the data type again',
                    p_data_type, v_type.symbol_column
                )
            end
        from (
            select exists (
                select from pg_catalog.pg_attribute as c
                where c.attrelid = v_type.data_table and c.attname = v_type.symbol_column and not c.attisdropped
            ) as is_there
        ) as a;
        return;
    end if;

    select * into v_looked from freshness.look(p_data_type, array[v_symbol]) as l;
    select * into v_job from freshness.jobs as j where j.data_type = p_data_type and j.symbol = v_symbol;
    v_viewers := coalesce((select w.viewers from freshness.live_watches(p_data_type, array[v_symbol]) as w), 0);
    v_subscribed := array(select p.subscription_row from freshness.pulls as p where p.subscription_row is not null);
    if cardinality(v_subscribed) > 0 and to_regclass('realtime.subscription') is not null then
        -- Subscribers who are not counted yet.
        v_viewers := v_viewers + (
            select count(*)
            from freshness.subscribed_keys(v_subscribed) as k
            where
                k.data_type = p_data_type and k.symbol = v_symbol
                and not exists (
                    select from freshness.watches as w
                    where w.data_type = k.data_type and w.symbol = k.symbol and w.subscription_row = k.subscription_row
                )
        );
    end if;

    return query
    select
        p_data_type,
        v_symbol,
        case
            when v_job.state = 'running' then 'refreshing'
            when v_job.state = 'failed' or v_looked.problem is not null then 'failed'
            when v_looked.fresh_until > clock_timestamp() then 'fresh'
            when v_looked.present then 'stale'
            else 'missing'
        end,
        case
            when v_looked.problem is not null then 'cannot be looked at: ' || v_looked.problem
            when v_looked.fresh_until = 'infinity' then 'is fresh for ever'
            when v_looked.fresh_until > clock_timestamp() then
                'is fresh until ' || freshness.moment_in_words(v_looked.fresh_until)
            when v_looked.fresh_until is not null and v_looked.present then
                'went stale at ' || freshness.moment_in_words(v_looked.fresh_until)
            when v_looked.present then 'has rows without a usable timestamp'
            else 'has no rows'
        end
        || '; ' || freshness.next_in_words(v_type, v_job, v_viewers, v_looked.refresh_at);
end
$$;

comment on function freshness.explain(text, text) is
    'One row that says in words what will happen to a key, when, and why. status: fresh, refreshing, stale, missing,'
    ' failed, unknown_data_type or invalid_symbol. Times are in the session''s time zone.';
