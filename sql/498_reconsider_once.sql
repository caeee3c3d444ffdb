-- What is found out here holds for jobs as the statement saw them. One that somebody, such as a finish, has moved since
-- is locked and left as it is: what we saw is older than what it says.
create function freshness.reconsider_once(p_data_type text, p_symbols text[], p_data_changed boolean)
returns table (symbol text, outcome text, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
-- There may be 20,000 keys where the planner sees ten, and any number of jobs where it sees none: each step goes from
-- key to key by the primary key, or by the place of a row that is locked.
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
begin
    return query
    with looked as materialized (
        select
            l.symbol, l.stored_at, l.fresh_until, t.priority, t.keep_warm, t.estimated_size_bytes,
            -- Nothing was missed when refresh_ahead is measured anew, or a staleness function is asked again.
            j.run_at <= j.fresh_until and (t.staleness_function is not null or (
                t.refresh_ahead_is_auto and l.fresh_until >= j.fresh_until)) as may_come_earlier,
            greatest(l.refresh_at, v_now) as run_at, coalesce(w.viewers, 0) as viewers,
            w.viewers is null and j.requested_at is null and j.required_as_of is null as is_idle,
            j.job, j.version, coalesce(l.problem like '55P03%', false) as is_locked
        from freshness.look(p_data_type, p_symbols) as l
        -- Each that is watched is looked at, so that it is a left join: but a full one is never done all with all.
        full join freshness.live_watches(p_data_type, p_symbols) as w on w.symbol = l.symbol
        join freshness.data_types as t on t.name = p_data_type
        left join lateral (
            select o.*, o as job, o.xmin as version
            from freshness.jobs as o
            where o.data_type = p_data_type and o.symbol = l.symbol
            limit 1
        ) as j on true
    ),

    wanted as materialized (
        select
            l.*,
            case
                when (l.job).state = 'running' then case when p_data_changed then 'marked' end
                when l.is_idle and (l.job).unwatched_at is null then 'unwatched'
                when
                    l.is_idle and (l.job).run_at <= (l.job).unwatched_at + l.keep_warm
                    and (l.job).unwatched_at <= v_now
                    then null
                when l.is_idle or (l.job).unwatched_at is not null then 'moved'
                when (l.job).run_at > case when (l.job).required_as_of is null then l.run_at else v_now end then
                    case when l.may_come_earlier then 'earlier' else 'moved' end
            end as outcome
        from looked as l
    ),

    differing as materialized (
        select w.*, coalesce(w.outcome, 'counted') as what
        from wanted as w
        where not w.is_locked and (w.job).symbol is not null and (w.outcome is not null or (w.job).viewers <> w.viewers)
    ),

    -- Each step hands on all that the next one needs: a join of two steps would be planned for ten rows.
    free as materialized (
        select d.*, j.place, j.version = d.version as is_as_seen
        from differing as d
        cross join lateral (
            select o.ctid as place, o.xmin as version
            from freshness.jobs as o
            where o.data_type = p_data_type and o.symbol = d.symbol
            for update skip locked
        ) as j
    ),

    changed as (
        update freshness.jobs as j
        set
            -- On a running job: look again at its finish.
            run_at = case
                when w.what = 'counted' then j.run_at
                when w.what = 'marked' then v_now
                when w.is_idle then least(j.run_at, least(j.unwatched_at, v_now) + w.keep_warm)
                when j.required_as_of is not null then v_now
                else least(w.run_at, case when j.unwatched_at is null then j.run_at end)
            end,
            unwatched_at = case
                when w.what = 'counted' then j.unwatched_at
                when w.is_idle and w.what <> 'marked' then least(j.unwatched_at, v_now)
            end,
            viewers = w.viewers,
            stored_at = w.stored_at,
            verified_at = case
                when coalesce(w.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity') then j.verified_at
            end,
            fresh_until = w.fresh_until
        from free as w where j.ctid = w.place and w.is_as_seen
        returning j.symbol, w.what as outcome, case when j.state <> 'running' then j.due_at end as due_at
    ),

    added as (
        insert into freshness.jobs (
            data_type, symbol, priority, run_at, stored_at, fresh_until, viewers, estimated_size_bytes
        )
        select
            p_data_type, w.symbol, w.priority, w.run_at, w.stored_at, w.fresh_until, w.viewers, w.estimated_size_bytes
        from wanted as w
        where not w.is_locked and (w.job).symbol is null and w.viewers > 0
        order by w.symbol
        on conflict do nothing
        returning symbol, 'added' as outcome, due_at
    )

    select c.* from changed as c union all select a.* from added as a union all
    select f.symbol, 'overtaken', null from free as f where not f.is_as_seen union all
    select d.symbol, 'locked', v_now from differing as d where d.symbol not in (select f.symbol from free as f) union all
    select w.symbol, 'table locked', v_now + interval '1 second' from wanted as w where w.is_locked;
end
$$;

comment on function freshness.reconsider_once(text, text[], boolean) is
    'Part of reconsider: one look at these keys. overtaken: the job was moved since the look began, and is locked now;'
    ' nothing was done. due_at: when there is something to do for it.';
