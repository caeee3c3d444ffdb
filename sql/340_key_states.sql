create function freshness.key_states(p_data_types text[], p_symbols text[])
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
stable
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    with asked as materialized (
        select k.data_type, k.symbol as given, t.name is not null as known, k.ordinal
        from unnest(p_data_types, p_symbols) with ordinality as k (data_type, symbol, ordinal)
        left join freshness.data_types as t on t.name = k.data_type
    ),

    canonical as materialized (
        select a.data_type, c.given, c.symbol
        from (
            select d.data_type, array_agg(d.given) as given from asked as d where d.known group by d.data_type
        ) as a
        cross join lateral freshness.canonical_symbols(a.data_type, a.given) as c
    ),

    looked as materialized (
        select c.data_type, l.*
        from (
            select d.data_type, array_agg(distinct d.symbol) as symbols
            from canonical as d where d.symbol is not null group by d.data_type
        ) as c
        cross join lateral freshness.look(c.data_type, c.symbols) as l
    )

    select
        a.data_type,
        coalesce(c.symbol, a.given),
        case
            when not a.known then 'unknown_data_type'
            when c.symbol is null then 'invalid_symbol'
            when j.state = 'running' then 'running'
            when l.fresh_until > clock_timestamp() and j.required_as_of is null then 'fresh'
            when j.state = 'failed' or j.not_before > clock_timestamp() then 'failed'
            else 'queued'
        end,
        nullif(l.fresh_until, 'infinity'),
        case
            when j.state = 'running' then j.started_at
            when l.fresh_until > clock_timestamp() then nullif(j.due_at, 'infinity')
            else greatest(least(j.run_at, clock_timestamp()), j.not_before)
        end
    from asked as a
    left join canonical as c on c.data_type = a.data_type and c.given is not distinct from a.given
    left join looked as l on l.data_type = a.data_type and l.symbol = c.symbol
    left join freshness.jobs as j on j.data_type = a.data_type and j.symbol = c.symbol
    order by a.ordinal;
end
$$;

comment on function freshness.key_states(text[], text[]) is
    'State of keys, in the order asked. status: fresh (until fresh_until; null: for ever), queued (due at due_at),'
    ' running (a refresh is under way since due_at), failed (held back until due_at after failing), unknown_data_type,'
    ' invalid_symbol.';
