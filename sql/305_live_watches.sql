create function freshness.live_watches(p_data_type text, p_symbols text[])
returns table (symbol text, viewers integer)
language plpgsql
stable
rows 10
set search_path = ''
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
        return query
        select w.symbol, count(*)::integer
        from freshness.watches as w
        left join realtime.subscription as s on s.id = w.subscription_row and s.subscription_id = w.subscription_id
        where
            w.data_type = p_data_type
            and w.symbol = any (p_symbols)
            and (s.id is not null or w.lease_until > clock_timestamp())
        group by w.symbol;
    end if;
end
$$;

comment on function freshness.live_watches(text, text[]) is
    'Those of the symbols that somebody watches now, with how many: subscriptions that still exist in'
    ' realtime.subscription, and leases that have not ended.';
