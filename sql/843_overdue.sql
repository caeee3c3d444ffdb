-- Due keys that nobody takes, although somebody works and nothing holds them back: a worker does not say what it has
-- refreshers for, so that a name that is misspelt shows here alone.
create view freshness.overdue with (security_invoker = true) as
select
    t.name as data_type,
    min(j.due_at) as since,
    format(
        'keys of %s are due since %s: too few workers, or none with a refresher for it',
        t.name, freshness.moment_in_words(min(j.due_at))
    ) as message
from freshness.data_types as t
inner join freshness.jobs as j on t.name = j.data_type
where
    j.state <> 'running'
    and j.due_at < clock_timestamp() - interval '1 minute'
    and (j.unwatched_at is null or j.requested_at is not null or j.required_as_of is not null)
    and freshness.somebody_works()
    and not exists (
        select from freshness.source_status as s
        where s.source = t.source and s.status in ('paused', 'short')
    )
group by t.name;

comment on view freshness.overdue is
    'Data types with wanted keys that are due for more than a minute, since when and in words, although a worker is'
    ' there and the source is open.';
