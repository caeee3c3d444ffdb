-- Who is alive. One heartbeat covers all that a worker runs; a worker that runs nothing needs none.
create table freshness.workers (
    id bigint generated always as identity primary key,
    name text not null,
    started_at timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp(),
    takes_jobs boolean not null default false,
    heartbeat_limit interval not null
    constraint a_heartbeat_limit_is_a_second_or_longer check (heartbeat_limit >= interval '1 second')
)
with (fillfactor = 50);

comment on table freshness.workers is 'Workers that have announced themselves and not yet left.';
comment on column freshness.workers.seen_at is 'Last claim or heartbeat, by the database''s clock.';
comment on column freshness.workers.heartbeat_limit is
    'How long after seen_at, or the later start of a job that was handed to it, the worker counts as dead, and others'
    ' take over what it was running.';
comment on column freshness.workers.takes_jobs is
    'Whether it begins with what others hand to it while it sleeps (freshness.hand_over); false: it has to claim.';
