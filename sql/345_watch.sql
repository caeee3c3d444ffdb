create function freshness.watch(
    p_data_types text[],
    p_symbols text[],
    p_watcher text,
    p_lease interval default interval '5 minutes',
    p_priority integer default null,
    p_most integer default null
)
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_priority integer := least(greatest(p_priority, 0), 9);
    v_types text[];
    v_symbols text[];
    v_want_a_job boolean[];
    v_some_are_new boolean;
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

    -- A renewal is written at most once in a quarter of the lease. It is found out by reading: "on conflict" would lock
    -- the lease, which is a write too. Of a lease that goes on without a gap the job knows already.
    select
        array_agg(k.data_type), array_agg(k.symbol),
        array_agg(
            (w.lease_until > clock_timestamp() + interval '30 seconds') is not true
            or j.symbol is null or coalesce(j.priority < v_priority, false)
        ),
        bool_or((w.lease_until > clock_timestamp()) is not true)
    into v_types, v_symbols, v_want_a_job, v_some_are_new
    from (
        select distinct a.data_type, c.symbol
        from (
            select g.data_type, array_agg(g.symbol) as symbols
            from unnest(p_data_types, p_symbols) as g (data_type, symbol)
            join freshness.data_types as t on t.name = g.data_type
            group by g.data_type
        ) as a
        cross join lateral freshness.canonical_symbols(a.data_type, a.symbols) as c
        where c.symbol is not null
    ) as k
    left join lateral (
        select o.lease_until from freshness.watches as o
        where o.data_type = k.data_type and o.symbol = k.symbol and o.watcher = p_watcher
        limit 1
    ) as w on true
    left join lateral (
        select o.symbol, o.priority from freshness.jobs as o
        where o.data_type = k.data_type and o.symbol = k.symbol
        limit 1
    ) as j on true
    where (w.lease_until >= clock_timestamp() + p_lease - p_lease / 4) is not true;

    if v_types is not null then
        if v_some_are_new and p_most is not null then
            perform freshness.refuse_too_many(p_watcher, v_types, v_symbols, p_most);
        end if;
        insert into freshness.watches as w (data_type, symbol, watcher, lease_until)
        select k.data_type, k.symbol, p_watcher, clock_timestamp() + p_lease
        from unnest(v_types, v_symbols) as k (data_type, symbol)
        order by k.data_type, k.symbol
        on conflict (data_type, symbol, watcher) do update set lease_until = excluded.lease_until
        where w.lease_until < excluded.lease_until - p_lease / 4;

        for v_type in
            select
                k.data_type, array_agg(k.symbol) as symbols,
                case when v_priority < t.priority then t.priority else v_priority end as priority
            from unnest(v_types, v_symbols, v_want_a_job) as k (data_type, symbol, wants_a_job)
            join freshness.data_types as t on t.name = k.data_type
            where k.wants_a_job
            group by k.data_type, t.priority
            order by k.data_type
        loop
            perform freshness.schedule(v_type.data_type, v_type.symbols, v_type.priority);
        end loop;
    end if;

    return query select * from freshness.key_states(p_data_types, p_symbols);
end
$$;

comment on function freshness.watch(text[], text[], text, interval, integer, integer) is
    'Takes or renews a lease on keys: (p_data_types[i], p_symbols[i]) for watcher p_watcher until p_lease from now.'
    ' Data that is stale is queued, with at least p_priority and the data type''s. Returns a row for each key as'
    ' freshness.key_states does; unknown data types and invalid symbols are named there, and the others are handled.'
    ' FR008: lists of different length, a lease beyond 1 day, or a watcher without a name of 1 to 200 characters.'
    ' 429 (freshness.refuse_call): the watcher would watch over p_most keys (null: no limit); nothing is recorded.';
