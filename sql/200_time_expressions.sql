-- SQL that the functions written for a data type are made of. In it r is a stored row, t the row of the registry,
-- k.symbol the symbol, d.counted_at what a row's age counts from, and d.ttl its time-to-live.

create function freshness.timestamp_expression(p_type oid, p_time_zone text, p_reference text)
returns text
language plpgsql
immutable
set search_path = pg_temp
as $$
begin
    return case
        when p_type = 'timestamptz'::regtype then p_reference
        else format('(%s::timestamp at time zone %L)', p_reference, p_time_zone)
    end;
end
$$;

comment on function freshness.timestamp_expression(oid, text, text) is
    'SQL that reads a timestamp column as timestamptz; a type without a zone is read in the data type''s zone.';

create function freshness.ttl_expression(p_type oid, p_reference text)
returns text
language sql
immutable
set search_path = pg_temp
as $$
    select case
        when p_type is null then 't.ttl'
        when p_type = 'interval'::regtype then
            format(
                'case when %1$s > interval ''0'''
                ' then greatest(least(%1$s, interval ''100 years''), interval ''1 second'') else t.ttl end',
                p_reference
            )
        else
            format(
                -- NaN is above all numbers.
                'case when %1$s > 0 and %1$s::double precision <> ''NaN'' then greatest('
                'least(%1$s, 52560000)::double precision * interval ''1 minute'', interval ''1 second'')'
                ' else t.ttl end',
                p_reference
            )
    end
$$;

comment on function freshness.ttl_expression(oid, text) is
    'SQL that reads a row''s own ttl (interval, or minutes; a second to 100 years), falling back on the data type''s.';

create function freshness.deadline_expression(p_type freshness.data_types)
returns text
language sql
immutable
set search_path = pg_temp
as $$
    -- A staleness function only says whether, not when: asked at the deadline, and again a minute later when it said
    -- no.
    select format(
        case when p_type.staleness_function is null then '%1$s' else
            'case when %2$s(d.counted_at, (extract(epoch from d.ttl) / 60)::integer)'
            ' then least(%1$s, clock_timestamp()) else greatest(%1$s, clock_timestamp() + interval ''1 minute'') end'
        end,
        case
            when p_type.deadline_function is null then 'd.counted_at + d.ttl'
            else format('%s(d.counted_at, d.ttl)', p_type.deadline_function)
        end,
        p_type.staleness_function
    )
$$;

comment on function freshness.deadline_expression(freshness.data_types) is
    'SQL for the moment at which a row goes stale: by its ttl, or as the data type''s functions say.';

create function freshness.ahead_expression(p_type freshness.data_types)
returns text
language sql
immutable
set search_path = pg_temp
as $$
    select case
        when p_type.jitter = interval '0' then 't.refresh_ahead'
        else format(
            't.refresh_ahead + t.jitter * ((hashtextextended(k.symbol, %s) & 65535) / 65536.0)::double precision',
            hashtext(p_type.name)
        )
    end
$$;

comment on function freshness.ahead_expression(freshness.data_types) is
    'SQL for how long before its row goes stale a key is refreshed: refresh_ahead, and with jitter a share of it that'
    ' the data type''s name and the symbol decide, so that it is the same each time.';

create function freshness.refresh_expression(p_type freshness.data_types, p_fresh_until text, p_counted_at text)
returns text
language sql
immutable
set search_path = pg_temp
as $$
    select format(
        -- Only a function can name a deadline that is infinite.
        case
            when p_type.deadline_function is null and p_type.staleness_function is null
                then 'greatest(%1$s - (%3$s), %2$s + (%1$s - %2$s) / 2)'
            else 'case when isfinite(%1$s) then greatest(%1$s - (%3$s), %2$s + (%1$s - %2$s) / 2) else %1$s end'
        end,
        p_fresh_until, p_counted_at, freshness.ahead_expression(p_type)
    )
$$;

comment on function freshness.refresh_expression(freshness.data_types, text, text) is
    'SQL for when a key''s refresh is due, given what is fresh until when, and what its age counts from: ahead of that,'
    ' but never in the first half of its life.';
