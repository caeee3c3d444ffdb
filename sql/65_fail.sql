create function freshness.fail(p_data_type text, p_symbol text, p_fence bigint, p_error text)
returns table (outcome text, due_in double precision)
language sql
set search_path = ''
as $$
    with held as materialized (
        select j.data_type, j.symbol, j.worker, j.started_at, j.attempts + 1 >= t.max_attempts as is_last
        from freshness.jobs as j
        join freshness.data_types as t on t.name = j.data_type
        where j.data_type = p_data_type and j.symbol = p_symbol and j.state = 'running' and j.fence = p_fence
        for update of j
    ),

    failed as (
        update freshness.jobs as j
        set
            state = case when h.is_last then 'failed' else 'scheduled' end::freshness.job_state,
            worker = null, fence = null, started_at = null,
            attempts = j.attempts + 1,
            run_at = clock_timestamp(),
            not_before = clock_timestamp()
                + case when h.is_last then interval '1 hour' else freshness.backoff(j.attempts + 1) end,
            last_error = left(p_error, 1000)
        from held as h
        where j.data_type = h.data_type and j.symbol = h.symbol
        returning j.state, j.due_at
    ),

    noted as (
        insert into freshness.events (kind, data_type, symbol, worker, fence, duration, message)
        select 'failed', h.data_type, h.symbol, h.worker, p_fence, clock_timestamp() - h.started_at, left(p_error, 1000)
        from held as h
    )

    select f.state::text, freshness.seconds_until(f.due_at) from failed as f
$$;

comment on function freshness.fail(text, text, bigint, text) is
    'Ends a refresh that failed, with its reason (cut at 1,000 characters). The job is tried again after a backoff'
    ' that doubles from 1 s to 5 minutes, and set aside for an hour after the data type''s max_attempts. Returns the'
    ' job''s new state, scheduled or failed, and in how many seconds it is due; no row when the fence was lost.';
