-- What a row of the registry must hold, whoever writes it. Errors say what to do.

create function freshness.read_interval(p_text text, p_name text)
returns interval
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return p_text::interval;
exception
    when data_exception then
        raise exception using errcode = 'FR002',
            message = format('%s is no interval: %L', p_name, p_text),
            hint = 'Pass an interval, such as ''5 seconds'''
            || case when p_name = 'refresh_ahead' then ', or ''auto''.' else '.' end;
end
$$;

comment on function freshness.read_interval(text, text) is 'An interval from text; FR002 when it is none.';

create function freshness.refuse(p_name text, p_value interval, p_rule text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    raise exception using errcode = 'FR002',
        message = format('%s is %s', p_name, coalesce(p_value::text, 'null')),
        hint = format('Pass an interval %s.', p_rule);
end
$$;

comment on function freshness.refuse(text, interval, text) is 'Raises FR002 for a time that a data type cannot have.';

create function freshness.check_data_type()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
begin
    if tg_op = 'UPDATE' and new.name <> old.name then
        raise exception using errcode = 'FR002',
            message = format('data type %s cannot be renamed', old.name),
            hint = 'Register it under the new name, and unregister the old one.';
    end if;
    perform freshness.refuse('ttl', new.ttl, 'from 1 second to 100 years')
    where (new.ttl between interval '1 second' and interval '100 years') is not true;
    perform freshness.refuse('refresh_ahead', new.refresh_ahead, 'of 0 or longer, and shorter than the ttl')
    where
        (new.refresh_ahead >= interval '0' and (new.refresh_ahead_is_auto or new.refresh_ahead < new.ttl)) is not true;
    perform freshness.refuse('jitter', new.jitter, 'of 0 or longer') where (new.jitter >= interval '0') is not true;
    perform freshness.refuse('keep_warm', new.keep_warm, 'from 0 to 100 years')
    where (new.keep_warm between interval '0' and interval '100 years') is not true;

    perform freshness.refuse('backoff_first', new.backoff_first, 'from 0.1 seconds to backoff_longest')
    where (new.backoff_first between interval '0.1 seconds' and new.backoff_longest) is false or new.backoff_first is null;
    perform freshness.refuse('backoff_longest', new.backoff_longest, 'of a day at most')
    where (new.backoff_longest <= interval '1 day') is not true;

    perform freshness.refuse_costs(new.source, new.calls_per_refresh);

    -- The list of zones is read from files: only when it is needed.
    if
        (tg_op = 'INSERT' or new.time_zone is distinct from old.time_zone)
        and not exists (select from pg_catalog.pg_timezone_names as z where z.name = new.time_zone)
    then
        raise exception using errcode = 'FR002',
            message = format('time zone %s does not exist', coalesce(quote_literal(new.time_zone), 'null')),
            hint = 'Pass a name from pg_timezone_names, such as ''UTC'' or ''Europe/Berlin''.';
    end if;
    new.look_reads := freshness.find_table_again(new)::text;
    perform freshness.find_timestamp_column(new.data_table, new.timestamp_column);
    perform freshness.find_ttl_column(new.data_table, new.ttl_column);
    new.symbol_is_text := new.symbol_column is not null
        and freshness.find_column(new.data_table, new.symbol_column, 'symbol') in ('text'::regtype, 'varchar'::regtype);
    new.deadline_function := freshness.find_function(
        new.deadline_function, 'timestamptz,interval', 'timestamptz'::regtype, 'deadline'
    );
    new.staleness_function := freshness.find_function(
        new.staleness_function, 'timestamptz,integer', 'boolean'::regtype, 'staleness'
    );
    new.not_before_function := freshness.find_function(
        new.not_before_function, 'text', 'timestamptz'::regtype, 'not_before'
    );
    new.key_columns := case
        when new.write_mode = 'upsert' then freshness.find_key_columns(new.data_table, new.symbol_column)
    end;
    if new.write_mode = 'upsert' and new.key_columns is null then
        raise exception using errcode = 'FR002',
            message = format(
                'table %s has no unique index%s', new.data_table, coalesce(' with column ' || new.symbol_column, '')
            ),
            hint = 'Create one to upsert by, or pass write_mode => ''append'' or ''replace''.';
    end if;
    return new;
end
$$;

comment on function freshness.check_data_type() is
    'Trigger function of the registry: refuses with FR002 what names a table, column, function, time zone or unique'
    ' index that does not exist, and times that make no sense; fills in key_columns.';

-- Not on refresh_ahead alone: what is measured is written with each change of pace.
create trigger check_data_type
before insert or update of
name, data_table, symbol_column, timestamp_column, time_zone, ttl, ttl_column, refresh_ahead_is_auto, jitter, keep_warm,
write_mode, deadline_function, staleness_function, not_before_function, backoff_first, backoff_longest,
source, calls_per_refresh
on freshness.data_types
for each row execute function freshness.check_data_type();
