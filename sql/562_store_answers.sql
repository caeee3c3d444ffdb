-- What a refresher brought for one key, and what became of it.
create type freshness.stored_answer as (
    rows jsonb, new_validators jsonb, bytes bigint, used_calls integer,
    outcome text, held_until timestamptz, reason text
);

-- How a refresh ended; outcome is null when its end was refused.
create type freshness.ended as (data_type text, fence bigint, outcome text, due_in double precision);

create function freshness.store_answer(
    p_type freshness.data_types, p_job freshness.jobs, p_rows jsonb,
    out outcome text, out held_until timestamptz, out reason text
)
language plpgsql
set search_path = pg_temp
as $$
declare
    v_rows jsonb;
    v_newest timestamptz;
    v_stored_at timestamptz;
    v_stale_since timestamptz;
begin
    if p_rows is null then
        outcome := 'unchanged';
        return;
    end if;
    v_rows := freshness.prepare_rows(p_type, p_job.symbol, p_rows, p_job.started_at);
    v_newest := freshness.newest_timestamp(p_type, v_rows);
    perform freshness.lock_rows(p_type, p_job.symbol) where p_type.write_mode = 'replace';
    select l.stored_at into v_stored_at from freshness.look(p_type.name, array[p_job.symbol]) as l;

    -- A stored timestamp ahead of the clock says nothing about what is newer. (And least passes over a null.)
    if p_job.stored_at is not null and v_newest < least(p_job.stored_at, p_job.started_at) then
        raise exception using errcode = 'FR006',
            message = format('rows of %s are older than the stored ones of %s', v_newest, p_job.stored_at),
            hint = 'The source answered with an older state; the stored rows are kept.';
    elsif v_newest < v_stored_at and v_stored_at <= clock_timestamp() then
        outcome := 'superseded';
        return;
    end if;

    outcome := case
        when jsonb_array_length(v_rows) = 0 then 'missing' when v_newest = p_job.stored_at then 'unchanged' else 'fresh'
    end;
    perform set_config('freshness.storing', 'on', true);
    if outcome <> 'missing' or p_type.write_mode = 'replace' then
        perform freshness.write_rows(p_type, p_job.symbol, v_rows);
    end if;
    perform set_config('freshness.storing', '', true);

    -- A source that repeats a timestamp of its own, by which its rows are stale, has nothing newer yet.
    if outcome = 'unchanged' and jsonb_path_exists(p_rows, '$[*].keyvalue() ? (@.key == $c && @.value != null)',
        jsonb_build_object('c', p_type.timestamp_column))
    then
        select l.fresh_until into v_stale_since
        from freshness.look(p_type.name, array[p_job.symbol], '{-infinity}') as l where l.fresh_until <= clock_timestamp();
        if found then
            outcome := 'stale';
            held_until := clock_timestamp() + freshness.stale_wait(p_type, v_stale_since);
            reason := format('the source''s rows of %s are stale and no newer than the stored ones', v_newest);
        end if;
    end if;
end
$$;

comment on function freshness.store_answer(freshness.data_types, freshness.jobs, jsonb) is
    'Part of finish: stores the rows of a running job if they are as new as the stored ones (null: the source says that'
    ' nothing has changed), and says how the refresh ended. stale: not to be tried before held_until, for that reason.';

create function freshness.store_answers(
    p_type freshness.data_types, p_jobs freshness.jobs[], p_answers freshness.stored_answer[]
)
returns freshness.stored_answer[]
language plpgsql
set search_path = pg_temp
as $$
declare
    v_is_stored boolean[] := freshness.store_together(p_type, p_jobs, p_answers);
    v_stored record;
begin
    for v_number in 1..cardinality(p_jobs) loop
        if v_is_stored[v_number] then
            p_answers[v_number].outcome := 'fresh';
            continue;
        end if;
        v_stored := freshness.store_answer(p_type, p_jobs[v_number], p_answers[v_number].rows);
        p_answers[v_number].outcome := v_stored.outcome;
        p_answers[v_number].held_until := v_stored.held_until;
        p_answers[v_number].reason := v_stored.reason;
    end loop;
    return p_answers;
end
$$;

comment on function freshness.store_answers is
    'Part of finish: what each refresh of running jobs brought, together where that is plain (store_together), else by'
    ' store_answer.';
