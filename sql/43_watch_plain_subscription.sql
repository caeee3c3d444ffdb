-- Nearly every subscription is one filter "symbol=eq.AAPL". Its key needs no parsing of sets, which keeps our share of
-- the subscriber's statement small; all others go through watch_subscriptions.
create function freshness.watch_plain_subscription(
    p_row bigint,
    p_subscription_id uuid,
    p_entity regclass,
    p_filters jsonb
)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    v_type record;
    v_symbol text;
begin
    for v_type in
        select
            t.name,
            t.symbol_column,
            (
                select a.atttypid in ('text'::regtype, 'varchar'::regtype) from pg_catalog.pg_attribute as a
                where a.attrelid = t.data_table and a.attname = t.symbol_column and not a.attisdropped
            ) as is_text
        from freshness.data_types as t
        where t.data_table in (p_entity, pg_catalog.pg_partition_root(p_entity))
        order by t.name
    loop
        if v_type.symbol_column is null then
            v_symbol := 'GLOBAL';
        elsif
            v_type.is_text
            and jsonb_array_length(p_filters) = 1
            and p_filters -> 0 ->> 'column_name' = v_type.symbol_column
            and p_filters -> 0 ->> 'op' = 'eq'
            and not coalesce((p_filters -> 0 ->> 'negate')::boolean, false)
            and length(p_filters -> 0 ->> 'value') between 1 and 200
        then
            v_symbol := p_filters -> 0 ->> 'value';
        else
            return false;
        end if;

        insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
        values (v_type.name, v_symbol, 'realtime:' || p_row, p_row, p_subscription_id)
        on conflict (data_type, symbol, watcher) do update set subscription_id = excluded.subscription_id
        where watches.subscription_id <> excluded.subscription_id;
        if found then
            perform freshness.schedule_key(v_type.name, v_symbol);
        end if;
    end loop;
    return true;
end
$$;

comment on function freshness.watch_plain_subscription(bigint, uuid, regclass, jsonb) is
    'Records the watches of one row of realtime.subscription (p_filters: its filters as json) and schedules its keys.'
    ' False when it is not plain, and then freshness.watch_subscriptions reads it: more filters than one eq on the'
    ' symbol column, or a symbol that needs a cast.';
