create function freshness.watch(
    p_data_types text[],
    p_symbols text[],
    p_watcher text,
    p_lease interval default interval '5 minutes',
    p_priority integer default null
)
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
rows 10
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_type record;
begin
    if cardinality(p_data_types) is distinct from cardinality(p_symbols) then
        raise exception using errcode = 'FR008', message = 'p_data_types and p_symbols differ in length',
            hint = 'Pass one data type for each symbol.';
    elsif p_lease is null or p_lease <= interval '0' or p_lease > interval '1 day' then
        raise exception using errcode = 'FR008', message = format('lease %s is not between 0 and 1 day', p_lease),
            hint = 'Leases are renewed by calling again; pass a length such as ''5 minutes''.';
    elsif p_watcher is null or length(p_watcher) not between 1 and 200 then
        raise exception using errcode = 'FR008', message = 'the watcher''s name does not have 1 to 200 characters',
            hint = 'Pass a name that is the same at each renewal, such as a user''s id.';
    end if;

    -- A renewal is written at most once in a quarter of the lease.
    for v_type in
        with asked as materialized (
            select k.data_type, array_agg(k.symbol) as symbols
            from unnest(p_data_types, p_symbols) as k (data_type, symbol)
            join freshness.data_types as t on t.name = k.data_type
            group by k.data_type
        ),

        leased as (
            insert into freshness.watches as w (data_type, symbol, watcher, lease_until)
            select k.data_type, k.symbol, p_watcher, clock_timestamp() + p_lease
            from (
                select distinct a.data_type, c.symbol
                from asked as a
                cross join lateral freshness.canonical_symbols(a.data_type, a.symbols) as c
                where c.symbol is not null
            ) as k
            order by k.data_type, k.symbol
            on conflict (data_type, symbol, watcher) do update set lease_until = excluded.lease_until
            where w.lease_until < excluded.lease_until - p_lease / 4
            returning w.data_type, w.symbol
        )

        select l.data_type, array_agg(l.symbol) as symbols
        from leased as l
        group by l.data_type
        order by l.data_type
    loop
        perform freshness.schedule(v_type.data_type, v_type.symbols, least(greatest(p_priority, 0), 9));
    end loop;

    return query select * from freshness.key_states(p_data_types, p_symbols);
end
$$;

comment on function freshness.watch(text[], text[], text, interval, integer) is
    'Takes or renews a lease on keys: (p_data_types[i], p_symbols[i]) for watcher p_watcher until p_lease from now.'
    ' Data that is stale is queued. Returns a row for each key as freshness.key_states does; unknown data types and'
    ' invalid symbols are named there, and the others are handled. FR008: lists of different length, a lease beyond'
    ' 1 day, or a watcher without a name of 1 to 200 characters.';
