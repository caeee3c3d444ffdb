create function freshness.raise_priorities(p_data_type text, p_pulls freshness.pulls[])
returns void
language plpgsql
set search_path = pg_temp
-- From key to key by the primary key, however few jobs the planner takes them for.
set enable_seqscan = off
as $$
begin
    with asked as materialized (
        select p.symbol, max(p.priority) as priority
        from unnest(p_pulls) as p
        where p.data_type = p_data_type and p.priority is not null
        group by p.symbol
    ),

    lower as materialized (
        select a.symbol, a.priority, j.version
        from asked as a
        cross join lateral (
            select o.xmin as version
            from freshness.jobs as o
            where o.data_type = p_data_type and o.symbol = a.symbol and o.priority < a.priority
            limit 1
        ) as j
    ),

    free as materialized (
        select l.symbol, l.priority, j.place
        from lower as l
        cross join lateral (
            select o.ctid as place, o.xmin as version
            from freshness.jobs as o
            where o.data_type = p_data_type and o.symbol = l.symbol
            for update skip locked
        ) as j
        -- One that was moved meanwhile is not at the place that this statement sees.
        where j.version = l.version
    ),

    raised as (
        update freshness.jobs as j
        set priority = f.priority
        from free as f
        where j.ctid = f.place
    )

    insert into freshness.pulls (data_type, symbol, priority, reason)
    select p_data_type, l.symbol, l.priority, 'locked'
    from lower as l
    where l.symbol not in (select f.symbol from free as f);
end
$$;

comment on function freshness.raise_priorities(text, freshness.pulls[]) is
    'Gives jobs of a data type the priority that these pulls ask for, if it is higher. One that somebody holds or'
    ' has just moved keeps its pull.';
