create function freshness.move_ended(
    p_type freshness.data_types, p_places tid[], p_jobs freshness.jobs[], p_answers freshness.stored_answer[]
)
returns freshness.ended[]
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    -- Others wait for the source: it may have room now.
    v_is_short boolean := freshness.next_of_source(p_type.source, 'infinity') < 'infinity';
    v_ended freshness.ended[];
begin
    with ended as materialized (
        select e.*
        from unnest(p_jobs, p_answers) as e
    ),

    looked as materialized (
        select l.*,
            -- Not verified by this: rows that were stale, and those that were deleted or went back while the source
            -- said that nothing has changed.
            e.outcome <> 'stale'
            and (e.rows is not null or coalesce(l.stored_at, '-infinity') >= coalesce(e.stored_at, '-infinity'))
            as is_verified
        from freshness.look(
            p_type.name, array(select e.symbol from ended as e),
            -- A clock that was set back meanwhile has not verified the future.
            array(select least(e.started_at, v_now) from ended as e)
        ) as l
        join ended as e on e.symbol = l.symbol
    ),

    seen as materialized (
        select l.symbol, l.stored_at, l.fresh_until, l.refresh_at, true as is_verified
        from looked as l
        where l.is_verified
        union all
        select l.symbol, l.stored_at, l.fresh_until, l.refresh_at, false
        from (
            select array_agg(n.symbol) as symbols from looked as n where not n.is_verified having count(*) > 0
        ) as n
        cross join lateral freshness.look(p_type.name, n.symbols) as l
    ),

    known as materialized (
        select
            e.*, s.stored_at as now_stored_at, s.fresh_until as now_fresh_until,
            case when s.is_verified then least(e.started_at, v_now) end as now_verified_at,
            case
                -- A row that is stale at once, as a deadline function can say, is not fetched again at once.
                when
                    (s.is_verified and s.refresh_at <= least(e.started_at, v_now))
                    or (
                        s.refresh_at <= clock_timestamp()
                        and coalesce(p_type.deadline_function, p_type.staleness_function) is not null
                    )
                    then clock_timestamp() + least(p_type.ttl, interval '1 minute')
                else coalesce(s.refresh_at, clock_timestamp() + p_type.ttl)
            end as refresh_at
        from ended as e
        join seen as s on s.symbol = e.symbol
    ),

    moved as (
        update freshness.jobs as j
        set
            state = 'scheduled', worker = null, fence = null, started_at = null, waited = null,
            attempts = 0, alone = false, last_error = k.reason, not_before = k.held_until, calls = 0,
            verified_at = case when k.outcome = 'stale' then j.verified_at else k.now_verified_at end,
            validators = case
                when k.now_verified_at is null or k.outcome = 'superseded' then null
                else coalesce(k.new_validators, case when k.rows is null then j.validators end)
            end,
            requested_at = case when j.required_as_of > j.started_at then j.requested_at end,
            required_as_of = case when j.required_as_of > j.started_at then j.required_as_of end,
            run_at = case
                when j.required_as_of > j.started_at or k.now_verified_at is null then clock_timestamp()
                else least(j.run_at, k.refresh_at)
            end,
            stored_at = k.now_stored_at, fresh_until = k.now_fresh_until,
            estimated_size_bytes = coalesce(k.bytes, j.estimated_size_bytes)
        from known as k
        where j.ctid = any (p_places) and j.fence = k.fence
        returning
            k.fence, k.outcome, j.due_at, j.data_type, j.symbol, k.worker, k.started_at, k.waited, k.bytes, k.reason,
            k.calls as reserved, coalesce(k.used_calls, k.calls) as used, coalesce(j.estimated_size_bytes, 0) as size
    ),

    spent as (
        insert into freshness.spent_calls (source, calls, bytes)
        select p_type.source, sum(m.used), sum(m.size)
        from moved as m
        where m.reserved > 0 and p_type.source is not null
        having count(*) > 0
    ),

    noted as (
        insert into freshness.events
            (kind, data_type, symbol, worker, fence, duration, waited, bytes, message, is_measured)
        select
            m.outcome, m.data_type, m.symbol, m.worker, m.fence, clock_timestamp() - m.started_at, m.waited, m.bytes,
            m.reason, case when p_type.refresh_ahead_is_auto and m.outcome <> 'stale' then true end
        from moved as m
    )

    select array_agg(row(m.data_type, m.fence, m.outcome, freshness.seconds_until(
        case when v_is_short then least(m.due_at, v_now) else m.due_at end
    ))::freshness.ended) into v_ended
    from moved as m;
    return v_ended;
end
$$;

comment on function freshness.move_ended is
    'Part of finish: moves running jobs of one data type, locked at p_places, to their next deadlines, and notes how'
    ' their refreshes ended.';
