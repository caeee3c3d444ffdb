create view freshness.source_status with (security_invoker = true) as
select
    s.name as source,
    s.calls_per_minute,
    r.calls::integer as calls_in_flight,
    m.calls::integer as calls_last_minute,
    m.bytes + d.bytes + r.bytes as bytes_last_30_days,
    s.bytes_per_30_days,
    case
        when s.paused_until > clock_timestamp() then 'paused'
        when s.pauses > 0 then 'trying'
        when s.short_since is not null then 'short'
        else 'open'
    end as status,
    case when s.paused_until > clock_timestamp() then s.paused_until else s.opens_at end as opens_at,
    s.short_since,
    s.pause_reason
from freshness.sources as s
cross join lateral (
    select
        coalesce(sum(j.calls), 0) as calls,
        coalesce(sum(j.estimated_size_bytes), 0) as bytes
    from freshness.data_types as t
    inner join freshness.jobs as j on t.name = j.data_type and j.state = 'running' and j.calls > 0
    where t.source = s.name
) as r
cross join lateral (
    select
        coalesce(sum(c.calls) filter (where c.spent_at > clock_timestamp() - interval '60 seconds'), 0) as calls,
        coalesce(sum(c.bytes), 0) as bytes
    from freshness.spent_calls as c
    where c.source = s.name
) as m
cross join lateral (
    select coalesce(sum(y.bytes), 0) as bytes
    from freshness.spent_days as y
    where y.source = s.name and y.day > (clock_timestamp() at time zone 'UTC')::date - 30
) as d;

comment on view freshness.source_status is
    'Each source with what is used of its budget (calls_last_minute: those that have ended) and its status: open;'
    ' short: due jobs wait for the budget; paused: it asked for that or failed repeatedly; trying: one call at a time'
    ' finds out whether it is back. opens_at: when the next call may start, if it is not open.';
