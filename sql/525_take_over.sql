create function freshness.take_over()
returns integer
language plpgsql
set search_path = pg_temp
-- The running jobs are found by their index, and changed where they are, however few the planner takes them for.
set enable_seqscan = off
set jit = off
as $$
declare
    v_places tid[];
    v_are_last boolean[];
    v_first interval[];
    v_longest interval[];
    v_workers bigint[];
    v_channel text;
begin
    -- The clock was set back: who is heard of in the future would never be dead. Its time begins anew.
    if exists (select from freshness.workers as w where w.seen_at > clock_timestamp() + w.heartbeat_limit) then
        update freshness.workers as w
        set seen_at = clock_timestamp()
        where w.id in (
            select o.id
            from freshness.workers as o
            where o.seen_at > clock_timestamp() + o.heartbeat_limit
            for update skip locked
        );
    end if;

    with dead as materialized (
        select
            j.data_type, j.symbol, j.worker, j.fence, j.attempts + 1 >= t.max_attempts as is_last,
            t.backoff_first, t.backoff_longest
        from freshness.jobs as j
        left join freshness.data_types as t on t.name = j.data_type
        left join freshness.workers as w on w.id = j.worker
        where
            j.state = 'running'
            and (
                w.id is null
                or freshness.last_sign(w.seen_at, j.started_at, w.heartbeat_limit) + w.heartbeat_limit < clock_timestamp()
            )
    ),

    -- By its fence: another one may have taken a job over since this began, and run it.
    held as materialized (
        select d.*, j.place
        from dead as d
        cross join lateral (
            select o.ctid as place
            from freshness.jobs as o
            where o.data_type = d.data_type and o.symbol = d.symbol and o.fence = d.fence
            for update skip locked
        ) as j
    ),

    noted as (
        insert into freshness.events (kind, data_type, symbol, worker, fence, message)
        select 'taken_over', h.data_type, h.symbol, h.worker, h.fence, 'no heartbeat from its worker'
        from held as h
    )

    select
        array_agg(h.place), array_agg(h.is_last), array_agg(h.backoff_first), array_agg(h.backoff_longest),
        array_agg(distinct h.worker)
    into v_places, v_are_last, v_first, v_longest, v_workers
    from held as h;
    if v_places is null then
        return 0;
    end if;
    -- A statement of its own sees them as they were locked, at their places.
    update freshness.jobs as j
    set
        -- A refresh that kills its worker must not kill one after the other.
        state = case when h.is_last then 'failed' else 'scheduled' end::freshness.job_state,
        worker = null, fence = null, started_at = null, waited = null, run_at = clock_timestamp(),
        attempts = j.attempts + 1,
        not_before = case
            when h.is_last then clock_timestamp() + interval '1 hour'
            when j.attempts > 0
                then clock_timestamp() + freshness.backoff(j.attempts, h.backoff_first, h.backoff_longest)
        end,
        last_error = 'no heartbeat from its worker'
    from unnest(v_places, v_are_last, v_first, v_longest) as h (place, is_last, backoff_first, backoff_longest)
    where j.ctid = h.place;
    -- Nobody hands them anything more, nor leaves the time to them, until they look.
    for v_channel in
        select s.channel from freshness.sleepers as s where s.worker = any (v_workers) for update skip locked
    loop
        perform freshness.disarm(v_channel);
    end loop;
    return cardinality(v_places);
end
$$;

comment on function freshness.take_over() is
    'Makes due what dead workers were running, or sets it aside after max_attempts, and returns the number of jobs.'
    ' Their fences are void from then on.';
