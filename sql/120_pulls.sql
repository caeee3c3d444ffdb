-- Append-only inbox. Triggers run in other people's transactions, so they may not lock a job: they leave a pull,
-- and the next claim folds it into the jobs. What has time waits for others, to be folded together.
create table freshness.pulls (
    id bigint generated always as identity,
    due_at timestamptz not null default clock_timestamp(),
    data_type text,
    symbol text,
    subscription_row bigint,
    priority smallint,
    reason text not null,
    primary key (due_at, id)
)
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

comment on table freshness.pulls is
    'Inbox: "look at this key", or "read this subscription again". Folded into jobs by the next claim.';
comment on column freshness.pulls.due_at is 'When a claim folds it, with all that waits for company.';
comment on column freshness.pulls.subscription_row is
    'id in realtime.subscription whose keys are to be watched: it could not be read when it was inserted, or named a'
    ' key that is fresh for more than a minute.';
comment on column freshness.pulls.priority is 'The job''s priority is to be at least this.';
comment on column freshness.pulls.reason is
    'Why: a word, such as fresh for a subscriber to a fresh key, or the error that kept a trigger from doing it.';
