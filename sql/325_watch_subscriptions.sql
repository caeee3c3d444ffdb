create function freshness.record_watches(p_rows bigint[])
returns table (data_type text, symbol text)
language plpgsql
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with subscribed as materialized (
        select * from freshness.subscribed_keys(p_rows)
    ),

    -- A subscription that cannot be read, or names nothing, is told of once and left alone.
    passed_over as (
        insert into freshness.events (kind, data_type, message)
        select
            case when s.problem is null then 'ignored' else 'error' end, s.data_type,
            'subscription ' || s.subscription_row || coalesce(' cannot be read: ' || s.problem, ' names no valid symbol')
        from subscribed as s
        where s.symbol is null
    )

    insert into freshness.watches as w (data_type, symbol, watcher, subscription_row, subscription_id)
    select s.data_type, s.symbol, 'realtime:' || s.subscription_row, s.subscription_row, s.subscription_id
    from subscribed as s
    where s.symbol is not null
    order by s.data_type, s.symbol
    on conflict (data_type, symbol, watcher) do update set subscription_id = excluded.subscription_id
    where w.subscription_id <> excluded.subscription_id
    returning w.data_type, w.symbol;
end
$$;

comment on function freshness.record_watches(bigint[]) is
    'Records the watches of these rows of realtime.subscription, and returns the keys that are newly watched. What'
    ' names no key becomes an event ''ignored'', and what cannot be read an event ''error''.';

create function freshness.watch_subscriptions(p_rows bigint[])
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_type record;
    v_count integer := 0;
begin
    for v_type in
        select w.data_type, array_agg(distinct w.symbol) as symbols
        from freshness.record_watches(p_rows) as w
        group by w.data_type
        order by w.data_type
    loop
        perform freshness.schedule(v_type.data_type, v_type.symbols);
        v_count := v_count + cardinality(v_type.symbols);
    end loop;
    return v_count;
end
$$;

comment on function freshness.watch_subscriptions(bigint[]) is
    'freshness.record_watches, and schedules the keys. Returns the number of keys that are newly watched.';
