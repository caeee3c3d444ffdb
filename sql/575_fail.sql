create function freshness.fail(
    p_data_type text,
    p_symbol text,
    p_fence bigint,
    p_error text,
    p_permanent boolean default false,
    p_retry_at timestamptz default null,
    p_alone boolean default false,
    p_bytes bigint default null,
    p_of_source boolean default false,
    p_calls integer default null
)
returns table (outcome text, due_in double precision)
language plpgsql
rows 1
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_error text := left(p_error, 1000);
    v_wait interval;
    v_job freshness.jobs;
    v_type freshness.data_types;
    v_is_last boolean;
    v_due_at timestamptz;
begin
    select * into v_job
    from freshness.jobs as j
    where j.data_type = p_data_type and j.symbol = p_symbol and j.state = 'running' and j.fence = p_fence
    for update;
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    if v_job.fence is null or v_type.name is null then
        return;
    end if;

    -- A moment that is past says nothing. Never earlier than the source asked for, nor all keys at that very moment.
    if p_retry_at > v_now then
        v_wait := least(p_retry_at, v_now + interval '7 days') - v_now;
        v_wait := v_wait + least(v_wait / 10, interval '10 seconds') * random();
    end if;
    v_is_last := v_wait is null and (p_permanent or v_job.attempts + 1 >= v_type.max_attempts);

    update freshness.jobs as j
    set
        state = case when v_is_last then 'failed' else 'scheduled' end::freshness.job_state,
        worker = null, fence = null, started_at = null, waited = null,
        attempts = j.attempts + case when v_wait is null then 1 else 0 end,
        run_at = v_now,
        not_before = v_now + case
            when v_wait is not null then v_wait
            when v_is_last then interval '1 hour'
            else freshness.backoff(j.attempts + 1, v_type.backoff_first, v_type.backoff_longest)
        end,
        last_error = v_error,
        calls = 0,
        estimated_size_bytes = coalesce(p_bytes, j.estimated_size_bytes),
        alone = j.alone or p_alone or p_permanent
    where j.data_type = p_data_type and j.symbol = p_symbol
    returning j.due_at into v_due_at;

    insert into freshness.spent_calls (source, calls, bytes)
    select v_type.source, coalesce(p_calls, v_job.calls), coalesce(p_bytes, v_job.estimated_size_bytes, 0)
    where v_job.calls > 0 and v_type.source is not null;

    insert into freshness.events (kind, data_type, symbol, worker, fence, duration, waited, bytes, message)
    values (
        case when v_wait is null then 'failed' else 'retry_after' end, p_data_type, p_symbol, v_job.worker, p_fence,
        v_now - v_job.started_at, v_job.waited, p_bytes, v_error
    );
    if v_wait is not null then
        perform freshness.pause_source(v_type.source, v_now + v_wait, v_error) where v_type.source is not null;
    elsif p_of_source then
        perform freshness.note_source_failure(v_type.source, v_error) where v_type.source is not null;
    end if;
    return query
    select
        case when v_wait is not null then 'retry_after' when v_is_last then 'failed' else 'scheduled' end,
        freshness.seconds_until(freshness.next_of_source(v_type.source, v_due_at));
end
$$;

comment on function freshness.fail is
    'Ends a refresh that failed, with its reason (cut at 1,000 characters). The job is tried again after the data'
    ' type''s backoff; after its max_attempts, or at once with p_permanent, it is set aside for an hour. p_retry_at:'
    ' the source asked not to come earlier (7 days at most), which is no failure of the key and not counted as one; a'
    ' moment that is past says nothing. p_alone: a batch with the key was refused, fetched by itself next time.'
    ' p_of_source: not this key but its source did not answer. p_bytes: size of what was received; p_calls: calls that'
    ' it took. Returns scheduled, failed or retry_after, and in how many seconds the worker should claim again; no row'
    ' when the fence was lost.';
