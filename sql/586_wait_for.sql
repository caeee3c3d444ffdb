-- Looks, requests what is not fresh, and has its end told. All that ends a refresh changes its job, and reads who
-- listens after that, in a later statement. So with the job locked here it has either ended before our last look, or
-- reads after our commit that we listen: nothing is in between (docs/waiting.md).
create function freshness.wait_for(
    p_data_type text,
    p_symbols text[],
    p_refresh_now boolean[],
    p_since timestamptz[],
    p_backend integer default null,
    p_priority integer default null
)
returns table (
    place bigint, symbol text, status text, age double precision, fresh_until timestamptz, error text,
    is_over boolean, since timestamptz
)
language plpgsql
rows 10
set search_path = pg_temp
set lock_timeout = '1s'
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
    v_symbols text[];
    v_since timestamptz[];
    v_new text[];
    v_open text[];
begin
    select array_agg(c.symbol order by g.place) into v_symbols
    from unnest(p_symbols) with ordinality as g (given, place)
    left join freshness.canonical_symbols(p_data_type, p_symbols) as c on c.given = g.given;
    v_new := array(
        select w.symbol
        from unnest(v_symbols, p_refresh_now, p_since) as w (symbol, refresh_now, since)
        where w.refresh_now and w.since is null
    );
    v_open := v_new || array(
        select w.symbol
        from freshness.waits(p_data_type, v_symbols, p_refresh_now, p_since, v_now) as w
        where not w.is_over
    );

    -- In one order for all. Those that have no job yet get one that nobody else sees.
    perform from freshness.jobs as j
    where j.data_type = p_data_type and j.symbol = any (v_open) and p_backend is not null
    order by j.symbol
    for no key update;
    if cardinality(v_new) > 0 then
        perform freshness.request(p_data_type, v_new, true, p_priority);
    end if;
    -- Says too that there is no such data type.
    perform freshness.request(p_data_type, v_open, false, p_priority);
    if p_backend is not null then
        perform freshness.listen_for(p_data_type, v_open, p_backend);
    end if;

    select array_agg(case when w.refresh_now then coalesce(w.since, j.required_as_of) end order by w.place)
    into v_since
    from unnest(v_symbols, p_refresh_now, p_since) with ordinality as w (symbol, refresh_now, since, place)
    left join freshness.jobs as j on j.data_type = p_data_type and j.symbol = w.symbol;
    return query
    select w.*, v_since[w.place]
    from freshness.waits(p_data_type, v_symbols, p_refresh_now, v_since, v_now) as w;
    if p_backend is not null then
        perform freshness.stop_listening(
            p_backend, p_data_type, array(select s from unnest(v_symbols) as s where s <> all (v_open)), false
        );
    end if;
end
$$;

comment on function freshness.wait_for(text, text[], boolean[], timestamptz[], integer, integer) is
    'Begins waits for keys of one data type, or looks at them again: p_symbols[i], until it is fresh or, with'
    ' p_refresh_now[i], until a fetch begun after this one has ended (p_since[i] is null at first, and then what was'
    ' returned). What is not over is requested, and told to backend p_backend, which listens to channel'
    ' freshness_events; null: it is not told. Pass all waits of a process for a key at once. Returns for each place in'
    ' the lists the symbol, the status (fresh, refreshing, stale, missing, failed), the age of the data in seconds,'
    ' the error that holds it up, and whether the wait is over; no row for what is no symbol. FR001: the data type is'
    ' not registered.';
