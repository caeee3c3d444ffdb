create function freshness.finish(
    p_data_type text,
    p_symbol text,
    p_fence bigint,
    p_rows jsonb,
    p_validators jsonb default null,
    p_bytes bigint default null,
    p_calls integer default null
)
returns table (outcome text, due_in double precision)
language plpgsql
set search_path = ''
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_type freshness.data_types;
    v_job freshness.jobs;
    v_stored record;
    v_now record;
    v_due_at timestamptz;
    v_verified_at timestamptz;
begin
    select * into v_job
    from freshness.jobs as j
    where j.data_type = p_data_type and j.symbol = p_symbol and j.state = 'running' and j.fence = p_fence;
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    if v_job.fence is null or v_type.name is null then
        perform freshness.raise_fence_lost(p_data_type, p_symbol, p_fence);
    end if;
    -- A clock that was set back meanwhile has not verified the future.
    v_verified_at := least(v_job.started_at, clock_timestamp());

    v_stored := freshness.store_answer(v_type, v_job, p_rows);

    -- Not verified by this: rows that were stale, and those that were deleted or went back while the source said that
    -- nothing has changed.
    if p_rows is null or v_stored.outcome = 'stale' then
        select * into v_now from freshness.look(p_data_type, array[p_symbol]) as l;
        if
            v_stored.outcome = 'stale'
            or coalesce(v_now.stored_at, '-infinity') < coalesce(v_job.stored_at, '-infinity')
        then
            v_verified_at := null;
        end if;
    end if;
    if v_verified_at is not null then
        select * into v_now from freshness.look(p_data_type, array[p_symbol], v_verified_at) as l;
    end if;
    -- A row that is stale as soon as it is there, as a deadline function can say, is not fetched again at once.
    if
        v_now.refresh_at <= v_verified_at
        or (
            v_now.refresh_at <= clock_timestamp()
            and coalesce(v_type.deadline_function, v_type.staleness_function) is not null
        )
    then
        v_now.refresh_at := clock_timestamp() + least(v_type.ttl, interval '1 minute');
    end if;

    -- The fence is checked last, in the statement that moves the job: a worker that has lost it takes its rows back.
    update freshness.jobs as j
    set
        state = 'scheduled', worker = null, fence = null, started_at = null, attempts = 0, alone = false,
        last_error = v_stored.reason,
        not_before = v_stored.not_before,
        verified_at = case when v_stored.outcome = 'stale' then j.verified_at else v_verified_at end,
        validators = case
            when v_verified_at is null or v_stored.outcome = 'superseded' then null
            else coalesce(p_validators, case when p_rows is null then j.validators end)
        end,
        requested_at = case when j.required_as_of > j.started_at then j.requested_at end,
        required_as_of = case when j.required_as_of > j.started_at then j.required_as_of end,
        run_at = case
            when j.required_as_of > j.started_at or v_verified_at is null then clock_timestamp()
            else least(j.run_at, coalesce(v_now.refresh_at, clock_timestamp() + v_type.ttl))
        end,
        stored_at = v_now.stored_at,
        fresh_until = v_now.fresh_until,
        calls = coalesce(p_calls, j.calls),
        estimated_size_bytes = coalesce(p_bytes, j.estimated_size_bytes)
    where j.data_type = p_data_type and j.symbol = p_symbol and j.state = 'running' and j.fence = p_fence
    returning j.due_at into v_due_at;
    if not found then
        perform freshness.raise_fence_lost(p_data_type, p_symbol, p_fence);
    end if;

    insert into freshness.events (kind, data_type, symbol, worker, fence, duration, bytes, message)
    values (
        v_stored.outcome, p_data_type, p_symbol, v_job.worker, p_fence, clock_timestamp() - v_job.started_at, p_bytes,
        v_stored.reason
    );
    perform freshness.measure_refresh_ahead(p_data_type)
    where v_type.refresh_ahead_is_auto and (v_type.refresh_ahead = interval '0' or random() < 0.05);
    perform freshness.note_source_success(v_type.source) where v_type.source is not null;
    return query select v_stored.outcome, freshness.seconds_until(freshness.next_of_source(v_type.source, v_due_at));
end
$$;

comment on function freshness.finish is
    'Ends a refresh: stores its rows (a json array of objects by column; the symbol and, when missing, the timestamp'
    ' are filled in) and moves the job to its next deadline, in one transaction. Null rows: the source confirmed that'
    ' the stored ones are current. p_validators: kept for the next refresh; p_bytes: size of the answer; p_calls:'
    ' calls of the source that it took, if not as many as were reserved. Returns in how many seconds the worker should'
    ' claim again, which is when the key is due, or now if others wait for its source; and fresh, unchanged'
    ' (confirmed, or no newer than before), superseded (somebody stored newer rows meanwhile), missing (no rows: asked'
    ' again a ttl later) or stale (by their own timestamps the rows are stale and no newer than before: asked again'
    ' after growing waits). Errors leave everything as it was: FR003 the fence is lost; FR005 rows for another symbol;'
    ' FR006 rows older than the stored ones; FR007 rows that do not fit the table, and any error of the table itself.';
