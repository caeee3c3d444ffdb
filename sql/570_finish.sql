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
rows 1
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_type freshness.data_types;
    v_ended freshness.ended;
begin
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    v_ended := (freshness.end_refreshes(
        v_type, array[p_symbol], array[p_fence], case when p_rows is not null then array[p_rows] end,
        array[p_validators], array[p_bytes], array[p_calls]
    ))[1];
    if v_ended.outcome is null then
        perform freshness.raise_fence_lost(p_data_type, p_symbol, p_fence);
    end if;
    perform freshness.after_success(v_type);
    outcome := v_ended.outcome;
    due_in := v_ended.due_in;
    return next;
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

create function freshness.after_success(p_type freshness.data_types)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if p_type.refresh_ahead_is_auto and (p_type.refresh_ahead = interval '0' or random() < 0.05) then
        perform freshness.measure_refresh_ahead(p_type.name);
    end if;
    if p_type.source is not null then
        perform freshness.note_source_success(p_type.source);
    end if;
end
$$;

comment on function freshness.after_success(freshness.data_types) is
    'Part of finish: now and then measures refresh_ahead anew, and ends the count of the source''s failures.';
