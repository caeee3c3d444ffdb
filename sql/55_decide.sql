create function freshness.decide(p_worker bigint, p_data_type text, p_due freshness.jobs[], p_now timestamptz)
returns table (
    data_type text,
    symbol text,
    fence bigint,
    started_at timestamptz,
    stored_at timestamptz,
    attempts integer,
    due_at timestamptz
)
language plpgsql
rows 10
set search_path = ''
as $$
#variable_conflict use_column
begin
    return query
    with decided as materialized (
        select * from freshness.decisions(p_data_type, p_due, p_now)
    ),

    dropped as (
        delete from freshness.jobs as j
        using decided as d
        where j.data_type = p_data_type and j.symbol = d.symbol and d.decision = 'drop'
    ),

    changed as (
        update freshness.jobs as j
        set
            state = case d.decision when 'fetch' then 'running' when 'broken' then 'failed' else 'scheduled' end
            ::freshness.job_state,
            -- While it runs, run_at says when to look again whatever the outcome: never, unless somebody marks it.
            run_at = case d.decision
                when 'fetch' then 'infinity'
                when 'warm' then coalesce(j.unwatched_at, p_now) + d.keep_warm
                when 'wait' then d.refresh_at
                when 'closed' then j.run_at
                else p_now
            end,
            not_before = case d.decision
                when 'fetch' then j.not_before
                when 'broken' then p_now + interval '1 minute'
                when 'closed' then d.closed_until
            end,
            worker = case d.decision when 'fetch' then p_worker end,
            fence = case d.decision when 'fetch' then nextval('freshness.fences') end,
            started_at = case d.decision when 'fetch' then clock_timestamp() end,
            requested_at = case when d.decision <> 'wait' then j.requested_at end,
            unwatched_at = case d.decision when 'warm' then coalesce(j.unwatched_at, p_now) end,
            attempts = case d.decision when 'wait' then 0 else j.attempts end,
            last_error = case
                when d.decision = 'broken' then d.problem
                when d.decision = 'wait' or (d.decision = 'closed' and j.attempts = 0) then null
                else j.last_error
            end,
            viewers = d.viewers,
            stored_at = d.stored_at,
            verified_at = case
                when coalesce(d.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity') then j.verified_at
            end,
            fresh_until = d.fresh_until
        from decided as d
        where j.data_type = p_data_type and j.symbol = d.symbol and d.decision <> 'drop'
        returning j.*, d.decision, d.due_at as was_due_at
    ),

    noted as (
        insert into freshness.events (kind, data_type, symbol, worker, fence, message)
        select
            case c.decision when 'fetch' then 'refreshing' else 'failed' end,
            c.data_type, c.symbol, c.worker, c.fence, case c.decision when 'broken' then c.last_error end
        from changed as c
        where c.decision in ('fetch', 'broken')
    )

    select c.data_type, c.symbol, c.fence, c.started_at, c.stored_at, c.attempts, c.was_due_at
    from changed as c
    where c.decision = 'fetch';
end
$$;

comment on function freshness.decide(bigint, text, freshness.jobs[], timestamptz) is
    'Part of claim: what becomes of due jobs of one data type that are locked by this transaction. Returns those to'
    ' fetch, now running; the others wait for their deadline or for their provider to open, stay warm, go away, or are'
    ' set aside for a minute as broken.';
