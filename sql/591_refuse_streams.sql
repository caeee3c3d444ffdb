-- A stream watches its keys as cards do: both count towards the keys that a user may watch.
create function freshness.refuse_streams(p_streams text[], p_data_types text[], p_symbols text[])
returns text[]
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_most integer := (select l.keys_per_user from freshness.limits_of_cards() as l);
    v_owner text;
    v_held text[];
    v_with text[];
    v_stream record;
    v_refused text[] := array[]::text[];
begin
    -- As cards do (freshness.refuse_too_many), before any job is locked, and in one order for all.
    perform pg_advisory_xact_lock(o.lock)
    from (
        select distinct hashtextextended('freshness.watch ' || freshness.lease_owner(g.stream), 0) as lock
        from unnest(p_streams) as g (stream)
        order by 1
    ) as o;

    for v_owner in
        select k.owner
        from (
            select freshness.lease_owner(g.stream) as owner, g.data_type, g.symbol
            from unnest(p_streams, p_data_types, p_symbols) as g (stream, data_type, symbol)
            union
            select o.owner, h.data_type, h.symbol
            from (select distinct freshness.lease_owner(g.stream) as owner from unnest(p_streams) as g (stream)) as o
            cross join lateral freshness.leased_keys(o.owner) as h
        ) as k
        group by k.owner
        having count(*) > v_most
    loop
        -- Not all fit: those that come first do.
        v_held := array(select h.data_type || ':' || h.symbol from freshness.leased_keys(v_owner) as h);
        for v_stream in
            select g.stream, array_agg(g.data_type || ':' || g.symbol) as keys
            from unnest(p_streams, p_data_types, p_symbols) with ordinality as g (stream, data_type, symbol, place)
            where freshness.lease_owner(g.stream) = v_owner
            group by g.stream
            order by min(g.place)
        loop
            v_with := array(select unnest(v_held) union select unnest(v_stream.keys));
            if cardinality(v_with) > greatest(v_most, cardinality(v_held)) then
                v_refused := v_refused || v_stream.stream;
            else
                v_held := v_with;
            end if;
        end loop;
    end loop;
    return v_refused;
end
$$;

comment on function freshness.refuse_streams(text[], text[], text[]) is
    'Which of these streams (each with its canonical keys) are not to open, because their users would watch more keys'
    ' than freshness.card_limits allows, with cards and streams. Until the transaction ends no other one adds keys for'
    ' these users.';
