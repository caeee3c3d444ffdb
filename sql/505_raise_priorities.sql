create function freshness.raise_priorities(p_data_type text, p_pulls freshness.pulls[])
returns void
language plpgsql
set search_path = ''
as $$
begin
    with asked as materialized (
        select p.symbol, max(p.priority) as priority
        from unnest(p_pulls) as p
        where p.data_type = p_data_type and p.priority is not null
        group by p.symbol
    ),

    lower as materialized (
        select j.symbol, a.priority
        from asked as a
        join freshness.jobs as j on j.data_type = p_data_type and j.symbol = a.symbol
        where j.priority < a.priority
    ),

    free as materialized (
        select l.symbol, l.priority
        from lower as l
        join freshness.jobs as j on j.data_type = p_data_type and j.symbol = l.symbol
        for update of j skip locked
    ),

    raised as (
        update freshness.jobs as j
        set priority = f.priority
        from free as f
        where j.data_type = p_data_type and j.symbol = f.symbol and j.priority < f.priority
    )

    insert into freshness.pulls (data_type, symbol, priority, reason)
    select p_data_type, l.symbol, l.priority, 'locked'
    from lower as l
    where l.symbol not in (select f.symbol from free as f);
end
$$;

comment on function freshness.raise_priorities(text, freshness.pulls[]) is
    'Gives jobs of a data type the priority that these pulls ask for, if it is higher. One that somebody holds keeps'
    ' its pull.';
