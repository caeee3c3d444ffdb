create function freshness.moment_in_words(p_moment timestamptz)
returns text
language sql
stable
set search_path = pg_temp
as $$
    select case
        when p_moment is null then 'an unknown time'
        when not isfinite(p_moment) then 'never'
        when p_moment::date = clock_timestamp()::date then to_char(p_moment, 'HH24:MI:SS')
        else to_char(p_moment, 'YYYY-MM-DD HH24:MI:SS')
    end
$$;

comment on function freshness.moment_in_words(timestamptz) is
    'A moment for people, in the session''s time zone; the date only when it is not today.';

create function freshness.next_in_words(
    p_type freshness.data_types, p_job freshness.jobs, p_viewers integer, p_refresh_at timestamptz
)
returns text
language sql
stable
set search_path = pg_temp
as $$
    select case
        when p_job.symbol is null and w.why is null then
            'nobody watches it or has asked for it, so nothing will be fetched'
        when p_job.symbol is null then format('has no job although %s: the next look or sweep gives it one', w.why)
        when p_job.state = 'running' then
            format('is being refreshed since %s by worker %s', freshness.moment_in_words(p_job.started_at), (
                select coalesce(max(k.name), 'unknown') from freshness.workers as k where k.id = p_job.worker
            ))
        when p_job.not_before > clock_timestamp() and p_job.state = 'failed' then
            format(
                'is set aside until %s after %s: %s; freshness.retry(%L, %L) releases it',
                freshness.moment_in_words(p_job.due_at), f.failures, p_job.last_error, p_job.data_type, p_job.symbol
            )
        when p_job.not_before > clock_timestamp() and p_job.attempts > 0 then
            format(
                'will be tried again at %s after %s: %s',
                freshness.moment_in_words(p_job.due_at), f.failures, p_job.last_error
            )
        when p_job.not_before > clock_timestamp() then
            format('is held back until %s: %s', freshness.moment_in_words(p_job.due_at), coalesce(
                p_job.last_error, 'its source is closed'
            ))
        when w.why is null then
            format('nobody watches it: it is kept warm until %s without a fetch, and then forgotten',
                freshness.moment_in_words(coalesce(p_job.unwatched_at, p_job.due_at) + p_type.keep_warm))
        when m.refresh_at > clock_timestamp() then
            format('will be refreshed at %s, because %s', freshness.moment_in_words(m.refresh_at), w.why)
        when not freshness.somebody_works() then
            format(
                'is due since %s, because %s, but no worker is there: start one with freshness run',
                freshness.moment_in_words(m.refresh_at), w.why
            )
        else
            format(
                'is due since %s, because %s: the next free worker fetches it',
                freshness.moment_in_words(m.refresh_at), w.why
            )
    end
    from (
        select case
            when p_viewers > 0 then
                case p_viewers when 1 then '1 viewer watches it' else p_viewers || ' viewers watch it' end
            when p_job.requested_at is not null then 'somebody asked for it'
        end as why
    ) as w
    cross join (
        select case p_job.attempts when 0 then 'an error' when 1 then '1 failure' else p_job.attempts || ' failures' end
            as failures
    ) as f
    -- A claim that finds it fresher than its job says moves it to there.
    cross join (
        select case when p_job.required_as_of is null then greatest(p_job.due_at, p_refresh_at) else p_job.due_at end
            as refresh_at
    ) as m
$$;

comment on function freshness.next_in_words(freshness.data_types, freshness.jobs, integer, timestamptz) is
    'Part of explain: what will happen to a key, when, and why.';
