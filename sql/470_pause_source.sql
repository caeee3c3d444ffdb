-- When a source fails or asks to be left alone, all its jobs wait; their own backoff does not count up.
create function freshness.pause_source(p_source text, p_until timestamptz, p_reason text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.sources as s
    set
        paused_until = greatest(s.paused_until, least(p_until, clock_timestamp() + interval '1 day')),
        pause_reason = left(p_reason, 1000)
    where s.name = p_source;
end
$$;

comment on function freshness.pause_source(text, timestamptz, text) is
    'Lets no call of a source start before p_until, a day ahead at most: it asked for that (Retry-After, 429).';

create function freshness.note_source_failure(p_source text, p_reason text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    -- Calls that were under way when a pause began say nothing new.
    update freshness.sources as s
    set
        failures = s.failures + 1,
        pauses = s.pauses + f.is_pause::integer,
        paused_until = case when f.is_pause then f.until else s.paused_until end,
        pause_reason = case when f.is_pause then left(p_reason, 1000) else s.pause_reason end
    from (
        select
            o.failures >= 4 or o.pauses > 0 as is_pause,
            clock_timestamp() + least(interval '10 seconds' * power(2, least(o.pauses, 10)), interval '10 minutes')
            * (0.9 + 0.2 * random()) as until
        from freshness.sources as o
        where o.name = p_source
    ) as f
    where s.name = p_source and coalesce(s.paused_until, '-infinity') <= clock_timestamp();
end
$$;

comment on function freshness.note_source_failure(text, text) is
    'Counts a failure of the source itself. From the fifth in a row on it is paused, for 10 s and then twice as long'
    ' each time, 10 minutes at most; after a pause one call at a time tries whether it is back.';

create function freshness.note_source_success(p_source text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.sources as s set failures = 0, pauses = 0, pause_reason = null, opens_at = null
    where s.name = p_source and (s.failures > 0 or s.pauses > 0);
end
$$;

comment on function freshness.note_source_success(text) is 'Ends the count of failures: the source answers again.';

create function freshness.next_of_source(p_source text, p_due_at timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    if p_source is not null and exists (
        select from freshness.sources as s where s.name = p_source and s.short_since is not null
    ) then
        return least(p_due_at, clock_timestamp());
    end if;
    return p_due_at;
end
$$;

comment on function freshness.next_of_source(text, timestamptz) is
    'When a worker that has ended a call should claim again: at once if due jobs wait for the source, else at'
    ' p_due_at.';
