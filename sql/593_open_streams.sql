-- Streams of different users that open at about the same time are opened together.
create function freshness.open_streams(
    p_streams text[], p_data_types text[], p_symbols text[], p_roles text[], p_lease interval, p_backend integer
)
returns table (
    place bigint, symbol text, status text, fresh_until timestamptz, due_at timestamptz, version bigint
)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_symbols text[];
    v_refusals text[];
    v_open bigint[];
    v_open_streams text[];
    v_open_types text[];
    v_open_symbols text[];
    v_refused text[];
begin
    with asked as materialized (
        select
            k.data_type, k.symbol, k.place, t.name is not null as known,
            coalesce(has_table_privilege(k.role, t.data_table, 'select'), false) as may_read
        from unnest(p_data_types, p_symbols, p_roles) with ordinality as k (data_type, symbol, role, place)
        left join freshness.data_types as t on t.name = k.data_type
    ),

    canonical as materialized (
        select a.data_type, c.given, c.symbol
        from (
            select d.data_type, array_agg(distinct d.symbol) as given from asked as d where d.may_read group by d.data_type
        ) as a
        cross join lateral freshness.canonical_symbols(a.data_type, a.given) as c
    )

    select
        array_agg(c.symbol order by a.place),
        array_agg(
            case
                when not a.known then 'unknown_data_type' when not a.may_read then 'forbidden'
                when c.symbol is null then 'invalid_symbol'
            end
            order by a.place
        ),
        array_agg(a.place order by a.place) filter (where c.symbol is not null),
        array_agg(p_streams[a.place] order by a.place) filter (where c.symbol is not null),
        array_agg(a.data_type order by a.place) filter (where c.symbol is not null),
        array_agg(c.symbol order by a.place) filter (where c.symbol is not null)
    into v_symbols, v_refusals, v_open, v_open_streams, v_open_types, v_open_symbols
    from asked as a
    left join canonical as c on c.data_type = a.data_type and c.given = a.symbol and a.may_read;

    select
        freshness.refuse_streams(array_agg(p_streams[u.place]), array_agg(u.data_type), array_agg(u.symbol))
    into v_refused
    from unnest(v_open, v_open_types, v_open_symbols) as u (place, data_type, symbol)
    where p_roles[u.place] <> 'service_role';
    if v_refused <> '{}' then
        select
            coalesce(array_agg(u.stream), '{}'), coalesce(array_agg(u.data_type), '{}'),
            coalesce(array_agg(u.symbol), '{}')
        into v_open_streams, v_open_types, v_open_symbols
        from unnest(v_open_streams, v_open_types, v_open_symbols) as u (stream, data_type, symbol)
        where u.stream <> all (v_refused);
    end if;

    -- First what exists, in one order for all: who adds keys holds nothing then that others wait for in a circle.
    perform freshness.hold_jobs(v_open_types, v_open_symbols);
    perform freshness.watch_streams(v_open_streams, v_open_types, v_open_symbols, p_lease);
    return query
    select
        k.place, coalesce(k.symbol, p_symbols[k.place]),
        coalesce(
            k.refusal, case when p_streams[k.place] = any (v_refused) then 'too_many_watched' end, f.status,
            'unknown_data_type'
        ),
        f.fresh_until, f.due_at, f.version
    from unnest(p_data_types, v_symbols, v_refusals) with ordinality as k (data_type, symbol, refusal, place)
    left join freshness.follow_keys(v_open_types, v_open_symbols, p_backend) as f
        on f.data_type = k.data_type and f.symbol = k.symbol;
end
$$;

comment on function freshness.open_streams(text[], text[], text[], text[], interval, integer) is
    'Opens streams: stream p_streams[i] of a caller in role p_roles[i] watches (p_data_types[i], p_symbols[i]) for'
    ' p_lease. Returns for each place the symbol and the state as freshness.follow_keys; or, as its status,'
    ' unknown_data_type, invalid_symbol, forbidden, when the role may not select from the table, or too_many_watched,'
    ' when its user would watch too many keys (freshness.refuse_streams). A stream''s name: stream:<id>:<its user''s>.';
