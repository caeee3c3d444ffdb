create function freshness.register_data_type(
    name text,
    data_table text,
    ttl interval,
    symbol_column text default 'symbol',
    timestamp_column text default 'fetched_at',
    time_zone text default 'UTC',
    ttl_column text default null,
    refresh_ahead text default '0',
    keep_warm interval default '60 seconds',
    write_mode text default 'upsert',
    source text default null,
    priority integer default 0,
    max_attempts integer default 5,
    deadline_function text default null,
    staleness_function text default null,
    not_before_function text default null,
    jitter interval default '0',
    estimated_size_bytes bigint default null,
    backoff_first interval default '1 second',
    backoff_longest interval default '5 minutes',
    calls_per_refresh integer default 1,
    triggers boolean default true
)
returns freshness.data_types
language plpgsql
set search_path = pg_temp
as $$
#variable_conflict use_variable
declare
    v_table regclass := freshness.find_table(data_table);
    v_is_auto boolean := coalesce(lower(refresh_ahead) = 'auto', false);
    v_row freshness.data_types;
begin
    perform freshness.check_words(name, write_mode, priority, max_attempts, calls_per_refresh);
    -- The registry's own triggers check the rest, write the look function and have the keys looked at again.
    insert into freshness.data_types as t (
        name, data_table, symbol_column, timestamp_column, time_zone, ttl, ttl_column, refresh_ahead,
        refresh_ahead_is_auto, jitter, keep_warm, write_mode, source, calls_per_refresh, priority, max_attempts,
        deadline_function, staleness_function, not_before_function, estimated_size_bytes, backoff_first,
        backoff_longest
    )
    values (
        name, v_table, symbol_column, timestamp_column, time_zone, ttl, ttl_column,
        case when v_is_auto then '0' else freshness.read_interval(refresh_ahead, 'refresh_ahead') end,
        v_is_auto, jitter, keep_warm, write_mode, source, calls_per_refresh, priority, max_attempts,
        deadline_function, staleness_function, not_before_function, estimated_size_bytes, backoff_first,
        backoff_longest
    )
    on conflict on constraint data_types_pkey do update set
        data_table = excluded.data_table,
        symbol_column = excluded.symbol_column,
        timestamp_column = excluded.timestamp_column,
        time_zone = excluded.time_zone,
        ttl = excluded.ttl,
        ttl_column = excluded.ttl_column,
        -- What was measured stays.
        refresh_ahead = case
            when v_is_auto and t.refresh_ahead_is_auto then t.refresh_ahead else excluded.refresh_ahead
        end,
        refresh_ahead_is_auto = excluded.refresh_ahead_is_auto,
        jitter = excluded.jitter,
        keep_warm = excluded.keep_warm,
        write_mode = excluded.write_mode,
        key_columns = excluded.key_columns,
        source = excluded.source,
        calls_per_refresh = excluded.calls_per_refresh,
        priority = excluded.priority,
        max_attempts = excluded.max_attempts,
        deadline_function = excluded.deadline_function,
        staleness_function = excluded.staleness_function,
        not_before_function = excluded.not_before_function,
        estimated_size_bytes = excluded.estimated_size_bytes,
        backoff_first = excluded.backoff_first,
        backoff_longest = excluded.backoff_longest
    returning t.* into v_row;

    -- Whatever was wrong with its table has been put right.
    perform freshness.define_look(name);
    perform freshness.define_ends(name);
    perform freshness.define_data_trigger(name);
    perform freshness.define_not_before(name);
    perform freshness.define_subscription_trigger();
    perform freshness.define_claims();
    perform freshness.define_end_plainly();
    perform freshness.release_unreadable(name);
    perform freshness.detach_data_triggers(name, v_table);
    perform freshness.attach_data_triggers(name) where triggers;
    return v_row;
end
$$;

comment on function freshness.register_data_type is
    'Adds a data type to the registry, or changes it; doing it twice changes nothing. data_table: schema-qualified'
    ' name; ttl: how long a row stays fresh; symbol_column: null for a global table; refresh_ahead: an interval, or'
    ' auto; write_mode: upsert, append or replace; triggers => false leaves the data table without ours. FR002 names a'
    ' table, column, time zone, function or unique index that does not exist, and a name, time or number that makes no'
    ' sense.';
