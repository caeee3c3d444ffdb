create function freshness.watch_subscriptions(p_rows bigint[], p_note_ignored boolean default true)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_type record;
    v_count integer := 0;
begin
    for v_type in
        with subscribed as materialized (
            select * from freshness.subscribed_keys(p_rows)
        ),

        watched as (
            insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
            select s.data_type, s.symbol, 'realtime:' || s.subscription_row, s.subscription_row, s.subscription_id
            from subscribed as s
            where s.symbol is not null
            order by s.data_type, s.symbol
            on conflict (data_type, symbol, watcher) do update set subscription_id = excluded.subscription_id
            where watches.subscription_id <> excluded.subscription_id
            returning data_type, symbol
        ),

        ignored as (
            insert into freshness.events (kind, data_type, message)
            select 'ignored', s.data_type, 'subscription ' || s.subscription_row || ' names no valid symbol'
            from subscribed as s
            where s.symbol is null and p_note_ignored
        )

        select w.data_type, array_agg(distinct w.symbol) as symbols
        from watched as w
        group by w.data_type
        order by w.data_type
    loop
        perform freshness.schedule(v_type.data_type, v_type.symbols);
        v_count := v_count + cardinality(v_type.symbols);
    end loop;
    return v_count;
end
$$;

comment on function freshness.watch_subscriptions(bigint[], boolean) is
    'Records the watches of these rows of realtime.subscription and schedules their keys. Returns the number of keys'
    ' that are newly watched. Subscriptions that name no key become an event ''ignored'', if p_note_ignored.';
