create view freshness.findings with (security_invoker = true) as
with mended as (
    select
        sum(s.watches_mended) as watches,
        sum(s.jobs_mended) as jobs,
        max(s.started_at) as last_at
    from freshness.sweeps as s
    where s.started_at > clock_timestamp() - interval '1 day' and s.watches_mended + s.jobs_mended > 0
),

set_aside as (
    select
        j.data_type,
        case count(*) when 1 then '1 key' else count(*) || ' keys' end as keys,
        min(j.symbol) as example,
        coalesce(j.last_error, 'no reason is known') as reason
    from freshness.jobs as j
    where j.state = 'failed'
    group by j.data_type, j.last_error
),

errors as (
    select
        e.data_type,
        case count(*) when 1 then '1 error' else count(*) || ' errors' end as errors,
        (array_agg(e.message order by e.id desc))[1] as last
    from freshness.events as e
    where e.kind = 'error' and e.happened_at > clock_timestamp() - interval '1 day'
    group by e.data_type
)

select
    'sweep_mended' as kind,
    null::text as data_type,
    format(
        'sweeps mended %s watches and %s jobs in the last day, the last at %s: triggers had missed them',
        m.watches, m.jobs, freshness.moment_in_words(m.last_at)
    ) as message
from mended as m
where m.last_at is not null
union all
select
    'no_sweep' as kind,
    null as data_type,
    'no sweep has run in the last 15 minutes: neither pg_cron nor a worker runs it' as message
where
    exists (select from freshness.data_types)
    and coalesce((select max(s.started_at) from freshness.sweeps as s) < clock_timestamp() - interval '15 min', true)
union all
select
    'no_worker' as kind,
    null as data_type,
    'no worker has been heard of in the last 90 seconds: start one with freshness run' as message
where
    exists (select from freshness.data_types)
    and not freshness.somebody_works()
union all
select
    'no_keys' as kind,
    t.name as data_type,
    'nobody watches or asks for ' || t.name as message
from freshness.data_types as t
where
    not exists (
        select from freshness.jobs as j
        where j.data_type = t.name
    )
union all
select
    'trigger_missing' as kind,
    t.name as data_type,
    format(
        'our triggers on %s are not all there, changes wait for the sweep: select freshness.attach_data_triggers(%L)',
        t.data_table, t.name
    ) as message
from freshness.data_types as t
inner join pg_catalog.pg_trigger as g on t.data_table = g.tgrelid
where g.tgname ~ ('^freshness_[a-z]+_' || t.name || '$') and g.tgenabled <> 'D'
group by t.name, t.data_table
-- All of them, or none when it is registered without.
having count(*) < 4
union all
select
    'failed_keys' as kind,
    a.data_type,
    format('%s of %s set aside, such as %s: %s', a.keys, a.data_type, a.example, a.reason) as message
from set_aside as a
union all
select
    'overdue' as kind,
    o.data_type,
    o.message
from freshness.overdue as o
union all
select
    'errors' as kind,
    e.data_type,
    format('%s on record in the last day, the last: %s', e.errors, e.last) as message
from errors as e
union all
select
    'source_paused' as kind,
    null as data_type,
    format('source %s is paused until %s: %s', s.source, freshness.moment_in_words(s.opens_at), s.pause_reason)
    as message
from freshness.source_status as s
where s.status = 'paused'
union all
select
    'source_short' as kind,
    null as data_type,
    format('due keys wait for the budget of source %s since %s', s.source, freshness.moment_in_words(s.short_since))
    as message
from freshness.source_status as s
where s.short_since < clock_timestamp() - interval '1 minute';

comment on view freshness.findings is
    'What needs a look, in words: sweeps that had to mend something, no sweep, no worker, data types without keys,'
    ' triggers that are gone from a data table, keys that are set aside with the reason, due keys that nobody takes,'
    ' errors on record, sources that are paused or short of calls.';
