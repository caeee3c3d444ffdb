-- To end many refreshes takes most of its time in preparing work on sets of whole rows, and in dynamic statements. So
-- each data type has one statement for it, written when it is registered: it looks, moves the jobs, and notes what they
-- spent and how they ended. What is not plain it leaves as it is, for end_refreshes.
create function freshness.ends_body(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format(
        $body$
declare
    t record;
    v_now timestamptz := clock_timestamp();
    v_written bigint[];
    v_ended freshness.ended[];
    v_moved integer;
begin
    select
        d.data_table, d.write_mode, d.key_columns, d.ttl, d.refresh_ahead, d.refresh_ahead_is_auto, d.jitter, d.source,
        d.data_table::text = d.look_reads as is_known, s.short_since is not null as is_short,
        s.failures > 0 or s.pauses > 0 as is_failing
    into t
    from freshness.data_types as d
    left join freshness.sources as s on s.name = d.source
    where d.name = %1$L;
    if not found or not t.is_known then
        return '{}'::freshness.ended[];
    end if;%2$s

    with moved as (
        update freshness.jobs as j
        set
            state = 'scheduled', worker = null, fence = null, started_at = null, waited = null,
            attempts = 0, alone = false, last_error = null, not_before = null, calls = 0,
            verified_at = k.verified_at,
            validators = case
                when k.verified_at is not null
                    then coalesce(k.new_validators, case when k.outcome = 'unchanged' then j.validators end)
            end,
            requested_at = case when j.required_as_of > j.started_at then j.requested_at end,
            required_as_of = case when j.required_as_of > j.started_at then j.required_as_of end,
            run_at = case
                when j.required_as_of > j.started_at or k.verified_at is null then clock_timestamp()%3$s
                else least(j.run_at, k.refresh_at)
            end,
            stored_at = k.stored_at, fresh_until = k.fresh_until,
            estimated_size_bytes = coalesce(k.bytes, j.estimated_size_bytes)
        from (%4$s
        ) as k
        where j.ctid = k.place and j.fence = k.fence
        returning
            k.fence, k.outcome, j.symbol, j.due_at, k.worker, k.started_at, k.waited, k.bytes, k.reserved,
            coalesce(k.calls, k.reserved) as used, coalesce(j.estimated_size_bytes, 0) as size
    ),

    spent as (
        insert into freshness.spent_calls (source, calls, bytes)
        select t.source, sum(m.used), sum(m.size)
        from moved as m
        where m.reserved > 0 and t.source is not null
        having count(*) > 0
    ),

    noted as (
        insert into freshness.events
            (kind, data_type, symbol, worker, fence, duration, waited, bytes, is_measured)
        select
            m.outcome, %1$L, m.symbol, m.worker, m.fence, clock_timestamp() - m.started_at, m.waited, m.bytes,
            case when t.refresh_ahead_is_auto then true end
        from moved as m
    )

    select
        count(*) filter (where m.outcome = 'fresh'),
        array_agg(row(%1$L, m.fence, m.outcome, case
            when t.is_short then extract(epoch from least(m.due_at, v_now) - clock_timestamp())::double precision
            when isfinite(m.due_at) then extract(epoch from m.due_at - clock_timestamp())::double precision
        end)::freshness.ended)
    into v_moved, v_ended
    from moved as m;
    -- The fence was checked last, with the job locked: whoever has lost it takes its rows back.
    if v_moved < cardinality(v_written) then
        perform freshness.raise_fence_lost(%1$L, p_symbols[1], p_fences[1]);
    end if;
    if t.is_failing then
        perform freshness.note_source_success(t.source);
    end if;
    if t.refresh_ahead_is_auto and (t.refresh_ahead = interval '0' or random() < 0.05) then
        perform freshness.measure_refresh_ahead(%1$L);
    end if;
    return v_ended;
end
$body$,
        p_type.name, freshness.write_plainly(p_type),
        -- A row that is stale at once, as such a function can say, is not fetched again at once.
        case when coalesce(p_type.deadline_function, p_type.staleness_function) is not null then
            ' when k.refresh_at <= greatest(k.verified_at, clock_timestamp())'
            ' then least(j.run_at, clock_timestamp() + least(t.ttl, interval ''1 minute''))'
        end,
        freshness.looks_at_ends(p_type)
    );
end
$define$;

comment on function freshness.ends_body(freshness.data_types) is
    'PL/pgSQL of freshness."ends_<name>" for a data type.';
