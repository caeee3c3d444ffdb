create function freshness.live_watches(p_data_type text, p_symbols text[])
returns table (symbol text, viewers integer)
language plpgsql
stable
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
begin
    -- Realtime can be switched off, and then its table is not there.
    if to_regclass('realtime.subscription') is null then
        return query
        select w.symbol, count(*)::integer
        from freshness.watches as w
        where w.data_type = p_data_type and w.symbol = any (p_symbols) and w.lease_until > clock_timestamp()
        group by w.symbol;
    else
        -- Key by key and watch by watch, by their indexes: whatever the planner takes the tables for.
        return query
        select k.symbol, v.viewers
        from (select distinct s from unnest(p_symbols) as s) as k (symbol)
        cross join lateral (
            select count(*)::integer as viewers
            from freshness.watches as w
            where
                w.data_type = p_data_type
                and w.symbol = k.symbol
                and (
                    w.lease_until > clock_timestamp()
                    or (
                        select true from realtime.subscription as s
                        where s.id = w.subscription_row and s.subscription_id = w.subscription_id
                    )
                )
        ) as v
        where v.viewers > 0;
    end if;
end
$$;

comment on function freshness.live_watches(text, text[]) is
    'Those of the symbols that somebody watches now, with how many: subscriptions that still exist in'
    ' realtime.subscription, and leases that have not ended.';
