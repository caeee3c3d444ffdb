-- Interest in data that is stale already makes its job due at that moment: earlier, nobody was kept waiting. After a
-- failure run_at is no longer that moment.
create view freshness.key_status with (security_invoker = true) as
with seen as (
    select
        j.*,
        greatest(j.stored_at, j.verified_at) as counted_at,
        nullif(j.fresh_until, '-infinity') as stale_at,
        nullif(least(j.run_at, j.started_at), '-infinity') as was_due_at
    from freshness.jobs as j
),

keys as (
    select
        s.*,
        case
            when s.stale_at is null then s.was_due_at
            when s.attempts = 0 and s.was_due_at <= clock_timestamp() then greatest(s.stale_at, s.was_due_at)
            else s.stale_at
        end as late_since
    from seen as s
)

select
    k.data_type,
    k.symbol,
    case
        when k.state = 'running' then 'refreshing'
        when k.state = 'failed' then 'failed'
        when k.fresh_until > clock_timestamp() then 'fresh'
        when k.stored_at is null then 'missing'
        else 'stale'
    end as status,
    k.viewers,
    k.unwatched_at is null as wanted,
    case
        when isfinite(k.counted_at) then clock_timestamp() - least(k.counted_at, clock_timestamp())
    end as age,
    case
        when k.unwatched_at is null and k.late_since <= clock_timestamp() then clock_timestamp() - k.late_since
    end as lateness,
    k.stored_at,
    k.fresh_until,
    k.due_at,
    k.attempts,
    k.last_error
from keys as k;

comment on view freshness.key_status is
    'Each key that has a job, with its status for people: fresh, refreshing, stale, missing or failed. wanted: watched'
    ' or asked for, until it is found due with nobody watching. age: of the stored data, or since it was fetched again'
    ' with nothing new. lateness: how long a wanted key has been stale or missing: since fresh_until, or since its job'
    ' was due or its fetch began if that is later, as when somebody came to stale data; null when it is in time, also'
    ' when the source has no rows and is to be asked again later. Times and viewers as of the last look at the key.';
