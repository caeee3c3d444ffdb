create function freshness.register_source(
    name text,
    calls_per_minute integer default null,
    burst integer default null,
    calls_in_flight integer default null,
    bytes_per_30_days bigint default null
)
returns freshness.sources
language plpgsql
set search_path = pg_temp
as $$
#variable_conflict use_variable
declare
    v_row freshness.sources;
    v_wrong text := case
        when name is null or name !~ '^[A-Za-z][A-Za-z0-9_.-]{0,49}$' then 'name is ' || coalesce(quote_literal(name), 'null')
        when calls_per_minute < 1 then 'calls_per_minute is ' || calls_per_minute
        when calls_in_flight < 1 then 'calls_in_flight is ' || calls_in_flight
        when bytes_per_30_days < 1 then 'bytes_per_30_days is ' || bytes_per_30_days
        when burst < 1 or burst > coalesce(calls_per_minute, 0) then 'burst is ' || burst
    end;
begin
    if v_wrong is not null then
        raise exception using errcode = 'FR002', message = v_wrong,
            hint = 'A name has up to 50 letters, digits, ''_'', ''-'' and ''.''; limits are 1 or more, null for none; a'
            ' burst is at most calls_per_minute.';
    end if;
    insert into freshness.sources as s (name, calls_per_minute, burst, calls_in_flight, bytes_per_30_days)
    values (name, calls_per_minute, burst, calls_in_flight, bytes_per_30_days)
    on conflict on constraint sources_pkey do update set
        calls_per_minute = excluded.calls_per_minute,
        burst = excluded.burst,
        calls_in_flight = excluded.calls_in_flight,
        bytes_per_30_days = excluded.bytes_per_30_days,
        opens_at = null
    returning s.* into v_row;
    perform freshness.refuse_costs(t.source, t.calls_per_refresh) from freshness.data_types as t where t.source = v_row.name;
    -- A wider budget counts at once.
    perform freshness.wake(t.name, clock_timestamp()) from freshness.data_types as t where t.source = v_row.name;
    return v_row;
end
$$;

comment on function freshness.register_source is
    'Adds a source with its budget, or changes it; what it has spent stays counted. Null: no limit. FR002 names a limit'
    ' that makes no sense.';

create function freshness.unregister_source(name text)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
#variable_conflict use_variable
begin
    delete from freshness.spent_calls as c where c.source = name;
    delete from freshness.spent_days as d where d.source = name;
    delete from freshness.sources as s where s.name = name;
    return found;
end
$$;

comment on function freshness.unregister_source(text) is
    'Removes a source with all that it has spent; its data types go on without a budget. False when there was none.';
