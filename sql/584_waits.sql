-- Where waits for keys stand. A wait is over when its key is fresh or set aside; one for "refresh now" when a fetch
-- begun at or after the request (p_since) has ended with an answer.
create function freshness.waits(
    p_data_type text, p_symbols text[], p_refresh_now boolean[], p_since timestamptz[], p_now timestamptz
)
returns table (
    place bigint, symbol text, status text, age double precision, fresh_until timestamptz, error text, is_over boolean
)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    with looked as materialized (
        select
            l.symbol, l.present, l.problem, l.fresh_until, j.state, j.due_at, j.last_error, j.required_as_of, j.verified_at,
            -- What a fetch has verified counts while the rows are those that it verified.
            greatest(l.stored_at, case when l.stored_at >= j.stored_at then j.verified_at end) as since,
            -- A source that has no such rows was asked within the ttl.
            case when not l.present then 'missing' when l.fresh_until > p_now then 'fresh' else 'stale' end as data
        from freshness.look(p_data_type, array(select distinct unnest(p_symbols))) as l
        left join lateral (
            select o.* from freshness.jobs as o where o.data_type = p_data_type and o.symbol = l.symbol limit 1
        ) as j on true
    ),

    judged as (
        select
            w.place, l.*,
            case
                when not coalesce(w.refresh_now, false) then l.fresh_until > p_now
                else w.since is not null and l.state is distinct from 'failed'
                    -- A later request may be open; then ours is met if a fetch begun after it has verified the data.
                    and (l.required_as_of is null or l.verified_at >= w.since)
            end as is_met,
            -- Somebody alters the table at this moment: that passes.
            coalesce(l.state = 'failed' and l.due_at > p_now, false) or coalesce(l.problem not like '55P03%', false)
            as has_failed
        from unnest(p_symbols, p_refresh_now, p_since) with ordinality as w (symbol, refresh_now, since, place)
        join looked as l on l.symbol = w.symbol
    )

    select
        j.place, j.symbol,
        case
            when j.is_met then j.data when j.has_failed then 'failed' when j.state = 'running' then 'refreshing'
            else j.data
        end,
        case when isfinite(j.since) then greatest(extract(epoch from p_now - j.since), 0)::double precision end,
        case when isfinite(j.fresh_until) then j.fresh_until end,
        case when not coalesce(j.is_met, false) then coalesce(j.problem, j.last_error) end,
        coalesce(j.is_met, false) or j.has_failed
    from judged as j;
end
$$;

comment on function freshness.waits(text, text[], boolean[], timestamptz[], timestamptz) is
    'For each wait (canonical symbol, whether for "refresh now", and since when) its place in the lists, the key''s'
    ' status for people, the age of its data in seconds, the error that holds it up, and whether the wait is over.';
