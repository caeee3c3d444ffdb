create function freshness.listen_for(
    p_data_type text, p_symbols text[], p_backend integer, p_tell_starts boolean default false
)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    insert into freshness.listeners as l (data_type, symbol, backend, is_told_of_starts)
    select p_data_type, s.symbol, p_backend, p_tell_starts
    from (select distinct unnest(p_symbols) as symbol) as s
    where s.symbol is not null
    order by s.symbol
    on conflict (data_type, symbol, backend, is_told_of_starts) do update set seen_at = excluded.seen_at;
end
$$;

comment on function freshness.listen_for(text, text[], integer, boolean) is
    'Has what becomes of keys (canonical symbols) told to p_backend, which listens to channel freshness_events already.'
    ' p_tell_starts: also that a fetch starts. To be called again each half minute. To miss nothing, lock the keys'''
    ' jobs first, in the same transaction, and look afterwards (freshness.wait_for).';

create function freshness.stop_listening(
    p_backend integer,
    p_data_type text default null,
    p_symbols text[] default null,
    p_tell_starts boolean default null
)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    delete from freshness.listeners as l
    where
        l.backend = p_backend and p_data_type is null
        and (p_tell_starts is null or l.is_told_of_starts = p_tell_starts);
    delete from freshness.listeners as l
    where
        l.data_type = p_data_type and l.symbol = any (p_symbols) and l.backend = p_backend
        and (p_tell_starts is null or l.is_told_of_starts = p_tell_starts);
end
$$;

comment on function freshness.stop_listening(integer, text, text[], boolean) is
    'Ends what listen_for began, for these keys of a data type or, without one, for all that the backend listens for.'
    ' p_tell_starts: only what was begun with the same; null: either.';

create function freshness.forget_lost_listeners()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_forgotten integer;
begin
    with lost as materialized (
        select l.data_type, l.symbol, l.backend, l.is_told_of_starts
        from freshness.listeners as l
        where
            l.seen_at < clock_timestamp() - interval '65 seconds'
            -- The clock was set back.
            or l.seen_at > clock_timestamp() + interval '65 seconds'
            or l.backend not in (select a.pid from pg_catalog.pg_stat_activity as a)
        for update of l skip locked
    )

    delete from freshness.listeners as l
    using lost as o
    where
        l.data_type = o.data_type and l.symbol = o.symbol and l.backend = o.backend
        and l.is_told_of_starts = o.is_told_of_starts;
    get diagnostics v_forgotten = row_count;
    return v_forgotten;
end
$$;

comment on function freshness.forget_lost_listeners() is
    'Forgets listeners whose backend is gone, or that have not looked for long, and returns their number. Called by the'
    ' sweep, and by each client that begins to listen.';
