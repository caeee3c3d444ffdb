create view freshness.key_status with (security_invoker = true) as
select
    j.data_type,
    j.symbol,
    case
        when j.state = 'running' then 'refreshing'
        when j.state = 'failed' then 'failed'
        when j.fresh_until > clock_timestamp() then 'fresh'
        when j.stored_at is null then 'missing'
        else 'stale'
    end as status,
    j.viewers,
    j.stored_at,
    j.fresh_until,
    j.due_at,
    j.attempts,
    j.last_error
from freshness.jobs as j;

comment on view freshness.key_status is
    'Each key that has a job, with its status for people: fresh, refreshing, stale, missing or failed. Times and'
    ' viewers as of the last look at the key.';
