-- Which of the due jobs come first. When all can be served their order hardly matters; when not, viewers times age
-- keeps the most viewers with fresh data without letting anything grow old for ever, where "most overdue first" is the
-- worst order of all (docs/sources.md).
create function freshness.due_jobs(
    p_data_types text[],
    p_limit integer,
    p_lead interval,
    p_allowed jsonb,
    out places tid[],
    out due freshness.jobs[],
    out short text[]
)
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
-- The places are known: nothing else is read, however few rows the plan was made for.
set enable_seqscan = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_ranked tid[];
    v_places tid[];
begin
    places := '{}';
    due := '{}';
    -- An idle worker's claim finds one job, and nothing to rank, unless a source has to allow it.
    v_ranked := array(
        select d.ctid
        from freshness.data_types as t
        cross join generate_series(9, 0, -1) as class (priority)
        cross join lateral (
            select j.ctid
            from freshness.jobs as j
            where
                j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
                and j.due_at <= v_now + case when t.staleness_function is null then p_lead else interval '0' end
            order by j.due_at
            limit 2
        ) as d
        where t.name = any (p_data_types)
        limit 2
    );
    if cardinality(v_ranked) > 1 or p_allowed <> '{}' then
        with candidates as materialized (
            select
                j.ctid as place, t.source, t.calls_per_refresh, coalesce(j.estimated_size_bytes, 0) as bytes,
                -- Age lifts a key through the classes: nothing waits for ever. (extract makes slow numerics.)
                j.priority + floor(date_part('epoch', v_now - j.run_at) / (10 * date_part('epoch', t.ttl))) as class,
                j.requested_at is not null or (j.stored_at is null and j.verified_at is null) as is_asked_for,
                greatest(j.viewers, 1) * date_part('epoch', v_now - j.run_at + t.ttl) as score
            from generate_series(9, 0, -1) as class (priority)
            cross join freshness.data_types as t
            cross join lateral (
                select d.ctid, d.*
                from freshness.jobs as d
                where
                    d.data_type = t.name and d.priority = class.priority and d.state <> 'running'
                    -- A staleness function knows nothing ahead: it is asked at the deadline.
                    and d.due_at <= v_now + case when t.staleness_function is null then p_lead else interval '0' end
                order by d.due_at
                limit case
                    -- A source that may not serve all of them needs the best of many.
                    when (p_allowed -> t.source ->> 'calls')::bigint < 5000 * t.calls_per_refresh then 5000
                    when (p_allowed -> t.source ->> 'bytes')::bigint < 10000000000 then 5000
                    else greatest(2 * p_limit, 100)
                end
            ) as j
            where t.name = any (p_data_types)
        ),

        ranked as materialized (
            select
                c.place, c.source,
                row_number() over best as rank,
                sum(c.calls_per_refresh) over (
                    partition by c.source order by class desc, is_asked_for desc, score desc, place
                )
                <= (p_allowed -> c.source ->> 'calls')::bigint as has_calls,
                sum(c.bytes) over (partition by c.source order by class desc, is_asked_for desc, score desc, place)
                <= (p_allowed -> c.source ->> 'bytes')::bigint as has_bytes
            from candidates as c
            window best as (order by c.class desc, c.is_asked_for desc, c.score desc, c.place)
        )

        select
            array_agg(r.place order by r.rank)
            filter (where coalesce(r.has_calls, true) and coalesce(r.has_bytes, true)),
            array_agg(distinct r.source) filter (where not r.has_calls or not r.has_bytes)
        into v_ranked, short
        from ranked as r;
    end if;

    -- Twice as many as asked for: others may hold some of them. If they hold most of them, those that come next.
    for v_round in 1..2 loop
        v_places := case v_round when 1 then v_ranked[:2 * p_limit] else v_ranked[2 * p_limit + 1:] end;
        exit when coalesce(cardinality(v_places), 0) = 0 or cardinality(due) >= p_limit;
        select places || array_agg(l.place), due || array_agg(l.job)
        into places, due
        from (
            select j.ctid as place, j as job
            from freshness.jobs as j
            -- Not asked by state: an index for that would be read whole. Only a running job has a worker.
            where j.ctid = any (v_places) and j.worker is null and j.due_at <= v_now + p_lead
            order by array_position(v_places, j.ctid)
            limit p_limit - cardinality(due)
            for update skip locked
        ) as l;
    end loop;
end
$$;

comment on function freshness.due_jobs(text[], integer, interval, jsonb) is
    'Part of claim: locks up to p_limit jobs of these data types that are due within p_lead, the best first: by class'
    ' (priority, and one more for each 10 ttl of waiting), what somebody asked for, viewers times age. p_allowed: what'
    ' sources allow, {"name": {"calls": 5, "bytes": null}}; short: those of them that due jobs have to wait for.'
    ' places: where the locked rows are.';
