-- An open stream is a watch, with a lease that its process renews.
create function freshness.lease_streams(p_streams text[], p_data_types text[], p_symbols text[], p_lease interval)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    insert into freshness.watches as w (data_type, symbol, watcher, lease_until)
    select k.data_type, k.symbol, k.stream, clock_timestamp() + p_lease
    from (
        select distinct g.data_type, g.symbol, g.stream
        from unnest(p_streams, p_data_types, p_symbols) as g (stream, data_type, symbol)
        join freshness.data_types as t on t.name = g.data_type
    ) as k
    order by k.data_type, k.symbol, k.stream
    on conflict (data_type, symbol, watcher) do update set lease_until = excluded.lease_until
    where w.lease_until < excluded.lease_until - p_lease / 4;
end
$$;

comment on function freshness.lease_streams(text[], text[], text[], interval) is
    'Takes or renews the leases of streams on keys (canonical symbols); writes those of which a quarter has passed.';

create function freshness.watch_streams(p_streams text[], p_data_types text[], p_symbols text[], p_lease interval)
returns void
language plpgsql
set search_path = pg_temp
set lock_timeout = '100ms'
set plan_cache_mode = force_generic_plan
as $$
declare
    -- Somebody waits for it, as with cards.
    c_priority constant integer := 1;
    v_type record;
begin
    perform freshness.lease_streams(p_streams, p_data_types, p_symbols, p_lease);

    for v_type in
        select k.data_type, array_agg(distinct k.symbol) as symbols, greatest(t.priority, c_priority) as priority
        from unnest(p_data_types, p_symbols) as k (data_type, symbol)
        join freshness.data_types as t on t.name = k.data_type
        group by k.data_type, t.priority
        order by k.data_type
    loop
        begin
            perform freshness.schedule(v_type.data_type, v_type.symbols, v_type.priority);
        exception
            -- Somebody alters the table: its streams open all the same, and the next claim looks.
            when lock_not_available then
                insert into freshness.pulls (data_type, symbol, priority, reason)
                select v_type.data_type, s, v_type.priority, 'watched' from unnest(v_type.symbols) as s;
        end;
    end loop;
end
$$;

comment on function freshness.watch_streams(text[], text[], text[], interval) is
    'Takes the leases of streams on keys (canonical symbols), and gives each key its job.';
