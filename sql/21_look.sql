-- Looking at a key: what is stored, and until when it is fresh. Registration writes one small static function for each
-- data type (its plan stays cached; a dynamic statement is planned on each call), and look() calls it by name.

create function freshness.look(p_data_type text, p_symbols text[], p_verified_at timestamptz default null)
returns table (
    symbol text,
    present boolean,
    stored_at timestamptz,
    fresh_until timestamptz,
    refresh_at timestamptz,
    problem text
)
language plpgsql
stable
rows 10
set search_path = ''
as $$
begin
    return query execute format('select *, null::text from freshness.%I($1, $2)', 'look_' || p_data_type)
        using p_symbols, p_verified_at;
exception
    -- A data table that was dropped or changed under us concerns its own keys, and nobody else's.
    when others then
        return query
        select k.symbol, false, null::timestamptz, null::timestamptz, null::timestamptz, sqlstate || ' ' || sqlerrm
        from unnest(p_symbols) as k (symbol);
end
$$;

comment on function freshness.look(text, text[], timestamptz) is
    'For each symbol: whether a row is present, the newest row''s timestamp, until when it is fresh, and when its'
    ' refresh is due (before that by refresh_ahead, but never in the first half of its life). Null times: no row, no'
    ' timestamp. A timestamp up to a minute (or one ttl) ahead of the clock counts as now, one further ahead as none.'
    ' problem: why it could not be read (table dropped, column changed), and then nothing else is known.'
    ' p_verified_at: start of a fetch that has just succeeded; otherwise the job''s verified_at is used.';

create function freshness.timestamp_expression(p_type oid, p_time_zone text, p_reference text)
returns text
language sql
immutable
set search_path = ''
as $$
    select case
        when p_type = 'timestamptz'::regtype then p_reference
        else format('(%s::timestamp at time zone %L)', p_reference, p_time_zone)
    end
$$;

comment on function freshness.timestamp_expression(oid, text, text) is
    'SQL that reads a timestamp column as timestamptz; a type without a zone is read in the data type''s zone.';

create function freshness.ttl_expression(p_type oid, p_reference text)
returns text
language sql
immutable
set search_path = ''
as $$
    select case
        when p_type is null then 't.ttl'
        when p_type = 'interval'::regtype then
            format(
                'case when %1$s > interval ''0'' then least(%1$s, interval ''100 years'') else t.ttl end',
                p_reference
            )
        else
            format(
                'case when %1$s > 0 then least(%1$s, 52560000)::double precision * interval ''1 minute'''
                ' else t.ttl end',
                p_reference
            )
    end
$$;

comment on function freshness.ttl_expression(oid, text) is
    'SQL that reads a row''s own ttl (interval, or minutes, at most 100 years), falling back on the data type''s.';
