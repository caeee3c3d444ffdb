-- Events are read from the newest backwards, so that a busy hour costs no more than a bounded look.
create view freshness.slo with (security_invoker = true) as
with keys as materialized (
    select
        k.data_type,
        k.symbol,
        coalesce(extract(epoch from k.lateness), 0)::double precision as lateness
    from freshness.key_status as k
    where k.wanted
),

now_late as (
    select
        count(*) as wanted,
        100.0 * count(*) filter (where k.lateness = 0) / nullif(count(*), 0) as fresh,
        percentile_disc(array[0.5, 0.99]) within group (order by k.lateness) as lateness
    from keys as k
),

worst as (
    select
        k.lateness,
        k.data_type || ' ' || k.symbol as name
    from keys as k
    where k.lateness > 0
    order by k.lateness desc, k.data_type asc, k.symbol asc
    limit 1
),

sampled as (
    select
        100.0 - 100.0 * sum(s.late) / nullif(sum(s.wanted), 0) as day,
        100.0 - 100.0 * sum(s.late) filter (where s.taken_at > clock_timestamp() - interval '1 hour')
        / nullif(sum(s.wanted) filter (where s.taken_at > clock_timestamp() - interval '1 hour'), 0) as hour
    from freshness.freshness_samples as s
    where s.taken_at > clock_timestamp() - interval '1 day'
),

recent as (
    select
        e.kind,
        e.waited,
        -- Begun before the one before it had ended.
        e.happened_at - e.duration < lag(e.happened_at) over (
            partition by e.data_type, e.symbol order by e.id
        ) as is_duplicate
    from freshness.events as e
    where
        e.id > (
            select coalesce(max(n.id), 0) - 100000
            from freshness.events as n
            where n.id % 64 = 0
        )
        and e.happened_at > clock_timestamp() - interval '1 hour'
        and e.symbol is not null and e.kind not in ('refreshing', 'ignored', 'error')
),

refreshes as (
    select
        percentile_disc(array[0.5, 0.99]) within group (order by r.waited::double precision) as delay,
        100.0 * count(*) filter (where r.kind in ('fresh', 'unchanged', 'superseded', 'missing', 'stale'))
        / nullif(
            count(*) filter (
                where r.kind in ('fresh', 'unchanged', 'superseded', 'missing', 'stale', 'failed', 'taken_over')
            ), 0
        ) as succeeded,
        count(*) filter (where r.is_duplicate) as duplicates
    from recent as r
),

queue as (
    select
        (
            select count(*)
            from freshness.jobs as j
            where j.state <> 'running' and j.due_at <= clock_timestamp()
        ) as depth,
        (
            select max(greatest(extract(epoch from clock_timestamp() - p.due_at) - 25 * (p.reason = 'fresh')::int, 0))
            from freshness.pulls as p
            where not exists (
                select from freshness.jobs as j
                where j.data_type = p.data_type and j.symbol = p.symbol
            )
        ) as creation
)

select
    f.name,
    f.value::double precision as value,
    f.unit,
    f.comparison,
    f.target::double precision as target,
    coalesce(case f.comparison when '<' then f.value < f.target when '>' then f.value > f.target end, true) as ok,
    f.about
from now_late as n
cross join sampled as s
cross join refreshes as r
cross join queue as q
left join worst as w on true
cross join lateral (
    values
    ('wanted_keys', n.wanted, 'keys', null, null, 'watched or asked for'),
    ('fresh_now', n.fresh, '%', null, null, 'of the wanted keys'),
    ('fresh_last_hour', s.hour, '%', null, null, 'of the wanted keys at the hour''s sweeps'),
    ('fresh_last_day', s.day, '%', null, null, 'of the wanted keys at the day''s sweeps'),
    ('lateness_p50', n.lateness[1], 's', null, null, 'of the wanted keys now'),
    ('lateness_p99', n.lateness[2], 's', null, null, 'of the wanted keys now'),
    ('lateness_worst', w.lateness, 's', null, null, coalesce(w.name, 'no key is late')),
    ('start_delay_p50', r.delay[1], 's', null, null, 'from due to its fetch, last hour'),
    ('start_delay_p99', r.delay[2], 's', null, null, 'from due to its fetch, last hour'),
    ('queue_success_rate', r.succeeded, '%', '>', 95, 'of the refreshes that ended in the last hour'),
    ('queue_depth', q.depth, 'jobs', '<', 100, 'due and not yet begun'),
    ('job_creation_latency', coalesce(q.creation, 0), 's', '<', 1, 'oldest interest without a job (fresh: after 30 s)'),
    ('duplicates', r.duplicates, 'refreshes', '<', 1, 'begun while the same key had one, last hour')
) as f (name, value, unit, comparison, target, about);

comment on view freshness.slo is
    'How well the promises are kept, one figure a row: name, value (null: nothing to measure), unit, comparison and'
    ' target (null: none), ok, and what it counts. The last hour means its latest 100,000 events at most.';
