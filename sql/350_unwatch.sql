create function freshness.unwatch(p_data_types text[], p_symbols text[], p_watcher text)
returns integer
language sql
set search_path = pg_temp
as $$
    with ended as (
        delete from freshness.watches as w
        using unnest(p_data_types, p_symbols) as k (data_type, symbol)
        where
            w.watcher = p_watcher
            and w.lease_until is not null
            and w.data_type = k.data_type
            and w.symbol in (
                select c.symbol from freshness.canonical_symbols(k.data_type, array[k.symbol]) as c
            )
        returning 1
    )

    select count(*)::integer from ended
$$;

comment on function freshness.unwatch(text[], text[], text) is
    'Ends the leases that p_watcher holds on these keys, and returns their number.';
