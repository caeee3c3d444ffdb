create function freshness.differing_keys(p_data_type text, out missing text[], out others text[])
language plpgsql
stable
set search_path = pg_temp
-- All are compared with all, however few the planner takes them for.
set enable_nestloop = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_waiting text[];
    v_doubtful text[] := freshness.doubtful_keys(p_data_type);
begin
    -- A key that is due is looked at by the claim. Keys in the inbox are left to the next fold.
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
        select k.symbol, k.is_missing, k.differs
        from keys as k
        where
            (k.differs or (k.waits and v_doubtful is null))
            and not exists (
                select from freshness.pulls as p where p.data_type = p_data_type and p.symbol = k.symbol
            )
    )

    select
        array(select a.symbol from asked as a where a.is_missing order by a.symbol),
        array(select a.symbol from asked as a where a.differs and not a.is_missing),
        array(select a.symbol from asked as a where not a.differs)
    into missing, others, v_waiting;

    v_waiting := array(
        select w.symbol
        from unnest(coalesce(v_doubtful, v_waiting)) as w (symbol)
        where not exists (select from freshness.pulls as p where p.data_type = p_data_type and p.symbol = w.symbol)
        except
        select o.symbol from unnest(others) as o (symbol)
    );
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
