create function freshness.decide(
    p_worker bigint, p_type freshness.data_types, p_places tid[], p_due freshness.jobs[],
    p_horizon timestamptz, p_problem text
)
returns table (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean
)
language plpgsql
rows 10
set search_path = pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_name text := p_type.name;
    v_has_budget boolean := exists (select from freshness.sources as s where s.name = p_type.source);
    v_symbols text[] := array(select d.symbol from unnest(p_due) as d where d.data_type = v_name);
begin
    return query
    with looked as materialized (
        select
            d.place, d.symbol, l.stored_at, l.fresh_until, l.refresh_at, coalesce(w.viewers, 0) as viewers,
            greatest(d.due_at, case when d.required_as_of is null then l.refresh_at end) as due_at,
            coalesce(p_problem, l.problem) as problem,
            case
                when coalesce(p_problem, l.problem) is not null then 'broken'
                when d.required_as_of is not null then 'fetch'
                when w.viewers is null and d.requested_at is null then
                    case when d.unwatched_at + p_type.keep_warm <= p_horizon then 'drop' else 'warm' end
                when l.refresh_at > p_horizon then 'wait'
                else 'fetch'
            end as decision
        from unnest(p_places, p_due) as d (place)
        join freshness.look(v_name, v_symbols) as l on l.symbol = d.symbol
        left join freshness.live_watches(v_name, v_symbols) as w on w.symbol = d.symbol
        where d.data_type = v_name
    ),

    decided as materialized (
        select
            l.place, l.symbol, l.stored_at, l.fresh_until, l.refresh_at, l.viewers, a.closed_until,
            greatest(l.due_at, a.closed_until) as due_at, coalesce(l.problem, a.problem) as problem,
            case when a.problem is not null then 'broken' when a.closed_until > p_horizon then 'closed'
                else l.decision end as decision
        from looked as l
        left join (
            select n.* from freshness.ask_not_before(
                v_name, array(select f.symbol from looked as f where f.decision = 'fetch')
            ) as n where p_type.not_before_function is not null
        ) as a on a.symbol = l.symbol
    ),

    dropped as (
        delete from freshness.jobs as j
        using decided as d where j.ctid = any (p_places) and j.ctid = d.place and d.decision = 'drop'
    ),

    changed as (
        update freshness.jobs as j
        set
            state = case d.decision when 'fetch' then 'running' when 'broken' then 'failed' else 'scheduled' end
            ::freshness.job_state,
            -- While it runs, run_at says when to look again whatever the outcome: never, unless somebody marks it.
            run_at = case d.decision when 'fetch' then 'infinity'
                when 'warm' then coalesce(j.unwatched_at, p_horizon) + p_type.keep_warm
                when 'wait' then d.refresh_at
                when 'closed' then j.run_at
                else p_horizon end,
            not_before = case d.decision when 'fetch' then j.not_before
                when 'broken' then p_horizon + interval '1 minute'
                -- Asked again after a week at the latest: the function may have changed its mind.
                when 'closed' then least(d.closed_until, p_horizon + interval '7 days')
            end,
            worker = case d.decision when 'fetch' then p_worker end,
            calls = case when d.decision = 'fetch' and v_has_budget then p_type.calls_per_refresh else 0 end,
            fence = case d.decision when 'fetch' then nextval('freshness.fences') end,
            started_at = case d.decision when 'fetch' then clock_timestamp() end,
            waited = case d.decision
                when 'fetch' then greatest(date_part('epoch', clock_timestamp() - d.due_at), 0) end,
            requested_at = case when d.decision <> 'wait' then j.requested_at end,
            unwatched_at = case d.decision when 'warm' then coalesce(j.unwatched_at, p_horizon) end,
            attempts = case d.decision when 'wait' then 0 else j.attempts end,
            last_error = case when d.decision = 'broken' then d.problem
                when d.decision = 'wait' or (d.decision = 'closed' and j.attempts = 0) then null
                else j.last_error end,
            viewers = d.viewers, stored_at = d.stored_at, fresh_until = d.fresh_until,
            verified_at = case
                when coalesce(d.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity') then j.verified_at
            end
        from decided as d
        where j.ctid = any (p_places) and j.ctid = d.place and d.decision <> 'drop'
        returning j.*, d.decision, d.due_at as was_due_at
    ),

    noted as (
        insert into freshness.events (kind, data_type, symbol, worker, fence, waited, message)
        select
            case c.decision when 'fetch' then 'refreshing' else 'failed' end,
            c.data_type, c.symbol, c.worker, c.fence, c.waited, case c.decision when 'broken' then c.last_error end
        from changed as c
        where c.decision = 'broken' or (
            -- A start is known by its end: it is on record for those alone who are told of it.
            c.decision = 'fetch' and exists (
                select from freshness.listeners as l
                where l.data_type = c.data_type and l.symbol = c.symbol and l.is_told_of_starts
            )
        )
    )

    select c.data_type, c.symbol, c.fence, c.started_at, c.stored_at, c.attempts, c.was_due_at,
        case when c.verified_at is not null then c.validators end, c.alone from changed as c where c.decision = 'fetch';
end
$$;

comment on function freshness.decide(bigint, freshness.data_types, tid[], freshness.jobs[], timestamptz, text) is
    'Part of claim: what becomes of due jobs of one data type, locked at p_places. Returns those to fetch, now running,'
    ' with when they may; the others wait for their deadline or for their provider to open, stay warm, go away, or are'
    ' set aside for a minute. p_horizon: what goes stale by then counts as stale; its due_at says when it does.'
    ' p_problem: why none of them can be looked at.';
