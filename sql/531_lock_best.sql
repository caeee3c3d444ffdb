-- Most claims find no source short and get what they ask for: then the best of those that have waited longest are
-- chosen without adding anything up, and locked by the same statement.
create function freshness.lock_best(
    p_data_types text[],
    p_limit integer,
    p_lead interval,
    out places tid[],
    out data_types text[],
    out sources text[],
    out most_calls integer,
    out are_all boolean
)
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
-- The places are known: nothing else is read, however few rows the plan was made for.
set enable_seqscan = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_first text;
    v_last text;
    v_source text;
begin
    select
        array_agg(l.place), max(l.calls_per_refresh), min(l.data_type), max(l.data_type), min(l.source)
    into places, most_calls, v_first, v_last, v_source
    from (
        select j.ctid as place, j.data_type, r.source, r.calls_per_refresh
        from (
            select d.ctid as place, t.source, t.calls_per_refresh
            from freshness.data_types as t
            cross join generate_series(9, 0, -1) as class (priority)
            cross join lateral (
                select j.ctid, j.priority, j.run_at, j.requested_at, j.stored_at, j.verified_at, j.viewers
                from freshness.jobs as j
                where
                    j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
                    -- A staleness function knows nothing ahead: it is asked at the deadline.
                    and j.due_at <= v_now + case when t.staleness_function is null then p_lead else interval '0' end
                order by j.due_at
                -- To choose among more costs a claim of few little.
                limit case when p_limit < 10 then 50 else 2 * p_limit end
            ) as d
            where t.name = any (p_data_types)
            -- As due_jobs ranks them.
            order by
                d.priority + floor(date_part('epoch', v_now - d.run_at) / (10 * date_part('epoch', t.ttl))) desc,
                d.requested_at is not null or (d.stored_at is null and d.verified_at is null) desc,
                greatest(d.viewers, 1) * date_part('epoch', v_now - d.run_at + t.ttl) desc,
                d.ctid
            -- Twice as many as asked for: others may hold some of them.
            limit 2 * p_limit
        ) as r
        join freshness.jobs as j on j.ctid = r.place
        where j.worker is null and j.due_at <= v_now + p_lead
        limit p_limit
        for update of j skip locked
    ) as l;

    if v_first = v_last then
        data_types := array[v_first];
        sources := array_remove(array[v_source], null);
    else
        data_types := array(select distinct j.data_type from freshness.jobs as j where j.ctid = any (places) order by 1);
        sources := array(
            select distinct t.source
            from freshness.data_types as t
            where t.name = any (data_types) and t.source is not null
            order by 1
        );
    end if;
    are_all := coalesce(cardinality(places), 0) < p_limit;
    if are_all then
        are_all := coalesce(cardinality(places), 0) = (
            select count(*)
            from (
                select
                from freshness.data_types as t
                cross join generate_series(9, 0, -1) as class (priority)
                cross join lateral (
                    select
                    from freshness.jobs as j
                    where
                        j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
                        and j.due_at <= v_now + case when t.staleness_function is null then p_lead else interval '0' end
                    order by j.due_at
                    limit p_limit
                ) as d
                where t.name = any (p_data_types)
                limit p_limit
            ) as d
        );
    end if;
end
$$;

comment on function freshness.lock_best(text[], integer, interval) is
    'Part of claim: locks up to p_limit jobs of these data types that are due within p_lead, the best first'
    ' (freshness.due_jobs), as if no source were short. places: where they are; sources: those they need; most_calls:'
    ' of one of them; are_all: no others are due.';
