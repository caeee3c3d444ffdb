create function freshness.differing_keys(p_data_type text, out missing text[], out others text[])
language plpgsql
stable
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_waiting text[];
begin
    -- Only of a key that waits for a later moment must the stored rows be looked at: one that is due is looked at by
    -- the claim. Keys in the inbox are left to the next fold.
    with keys as (
        select
            coalesce(w.symbol, j.symbol) as symbol,
            j.symbol is null as is_missing,
            j.state <> 'running' and j.unwatched_at is null and j.run_at > v_now as waits,
            case
                when j.symbol is null then true
                when j.viewers <> coalesce(w.viewers, 0) then true
                when j.state = 'running' then false
                when w.viewers is null and j.requested_at is null and j.required_as_of is null then
                    j.unwatched_at is null or j.unwatched_at > v_now or j.run_at > j.unwatched_at + t.keep_warm
                else j.unwatched_at is not null or (j.required_as_of is not null and j.run_at > v_now)
            end as differs
        from (
            select w.symbol, count(*)::integer as viewers
            from freshness.watches as w
            where w.data_type = p_data_type
            group by w.symbol
        ) as w
        full join (select * from freshness.jobs as j where j.data_type = p_data_type) as j on j.symbol = w.symbol
        join freshness.data_types as t on t.name = p_data_type
    ),

    asked as materialized (
        select k.*
        from keys as k
        where
            (k.differs or k.waits)
            and not exists (
                select from freshness.pulls as p where p.data_type = p_data_type and p.symbol = k.symbol
            )
    )

    select
        array(select a.symbol from asked as a where a.is_missing order by a.symbol),
        array(select a.symbol from asked as a where a.differs and not a.is_missing),
        array(select a.symbol from asked as a where not a.differs)
    into missing, others, v_waiting;

    if cardinality(v_waiting) > 0 then
        others := others || array(
            select j.symbol
            from freshness.look(p_data_type, v_waiting) as l
            join freshness.jobs as j on j.data_type = p_data_type and j.symbol = l.symbol
            join freshness.data_types as t on t.name = p_data_type
            where
                l.problem is null and j.run_at > v_now and j.run_at > coalesce(l.refresh_at, v_now)
                -- A measured refresh_ahead counts from the next look that something else calls for.
                and (
                    t.refresh_ahead_is_auto and j.run_at <= j.fresh_until and l.fresh_until >= j.fresh_until
                ) is not true
        );
    end if;
    others := array(select s from unnest(others) as s order by s);
end
$$;

comment on function freshness.differing_keys(text) is
    'Keys of a data type, in order, whose job is not what its watches and stored rows call for. missing: watched, and'
    ' without a job. others: with one that differs.';

create function freshness.add_jobs(p_data_type text, p_symbols text[])
returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_added integer;
begin
    insert into freshness.jobs (
        data_type, symbol, priority, run_at, stored_at, fresh_until, viewers, estimated_size_bytes
    )
    select
        t.name, l.symbol, t.priority, greatest(l.refresh_at, v_now), l.stored_at, l.fresh_until, w.viewers,
        t.estimated_size_bytes
    from freshness.data_types as t
    cross join lateral freshness.look(t.name, p_symbols) as l
    join (
        select w.symbol, count(*)::integer as viewers
        from freshness.watches as w
        where w.data_type = p_data_type and w.symbol = any (p_symbols)
        group by w.symbol
    ) as w on w.symbol = l.symbol
    where
        t.name = p_data_type
        and not exists (select from freshness.jobs as j where j.data_type = p_data_type and j.symbol = l.symbol)
    order by l.symbol;
    get diagnostics v_added = row_count;
    if v_added > 0 then
        perform freshness.wake(p_data_type, v_now);
    end if;
    return v_added;
end
$$;

comment on function freshness.add_jobs(text, text[]) is
    'Adds the jobs of watched keys that have none, as reconsider does, for many at once; watches that are over were'
    ' ended before. Fails with unique_violation when somebody adds one of them at this moment.';
