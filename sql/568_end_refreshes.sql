-- The end of refreshes of one data type, however many: looked at together, moved together, noted together.
create function freshness.end_refreshes(
    p_type freshness.data_types,
    p_symbols text[],
    p_fences bigint[],
    p_rows jsonb[],
    p_validators jsonb[],
    p_bytes bigint[],
    p_calls integer[]
)
returns freshness.ended[]
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
-- Jobs are found by their key or their place, however few there were when the plan was made.
set enable_seqscan = off
as $$
declare
    v_jobs freshness.jobs[];
    v_answers freshness.stored_answer[];
    v_places tid[];
    v_locked tid[];
    v_ended freshness.ended[];
begin
    select array_agg(r.place), array_agg(r.job), array_agg(g.answer) into v_places, v_jobs, v_answers
    from (
        select
            u.symbol, u.fence,
            row(u.rows, u.validators, u.bytes, u.calls, 'unchanged', null, null)::freshness.stored_answer as answer
        from unnest(p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls)
        as u (symbol, fence, rows, validators, bytes, calls)
    ) as g
    cross join lateral (
        select j.ctid as place, j as job
        from freshness.jobs as j
        where j.data_type = p_type.name and j.symbol = g.symbol and j.fence = g.fence
        limit 1
    ) as r;
    if v_jobs is null then
        return '{}'::freshness.ended[];
    end if;
    if p_rows is not null then
        v_answers := freshness.store_answers(p_type, v_jobs, v_answers);
    end if;

    -- The fence is checked last, as the jobs are moved: a worker that has lost it takes its rows back.
    v_ended := freshness.move_ended(p_type, v_places, v_jobs, v_answers);
    if coalesce(cardinality(v_ended), 0) = cardinality(v_jobs) then
        return v_ended;
    end if;

    -- Some were asked for meanwhile and have another place now, or their fences are lost.
    select array_agg(v_jobs[n.place]), array_agg(v_answers[n.place]) into v_jobs, v_answers
    from generate_subscripts(v_jobs, 1) as n (place)
    where (v_jobs[n.place]).fence not in (select e.fence from unnest(v_ended) as e);
    v_locked := array(
        select j.ctid from freshness.jobs as j
        where
            j.data_type = p_type.name and j.symbol = any (p_symbols)
            and j.fence in (select o.fence from unnest(v_jobs) as o)
        order by j.symbol
        for update
    );
    if cardinality(v_locked) < cardinality(v_jobs) then
        perform freshness.raise_fence_lost(p_type.name, v_jobs[1].symbol, v_jobs[1].fence);
    end if;
    return v_ended || freshness.move_ended(p_type, v_locked, v_jobs, v_answers);
end
$$;

comment on function freshness.end_refreshes is
    'Ends running refreshes of one data type as freshness.finish says, in one transaction: all of them, or none and an'
    ' error. Returns those that were ended; the others had lost their fence before.';
