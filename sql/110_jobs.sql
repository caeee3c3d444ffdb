-- One row per key: the primary key is what makes a second job impossible.
create table freshness.jobs (
    data_type text not null,
    symbol text not null
    constraint a_symbol_has_1_to_200_characters check (length(symbol) between 1 and 200),
    -- First what a claim leaves as it is: the log of a change begins at the first byte that differs.
    priority smallint not null default 0
    constraint a_priority_is_one_digit check (priority between 0 and 9),
    alone boolean not null default false,
    viewers integer not null default 0,
    attempts integer not null default 0,
    not_before timestamptz,
    unwatched_at timestamptz,
    stored_at timestamptz,
    verified_at timestamptz,
    fresh_until timestamptz,
    run_at timestamptz not null,
    due_at timestamptz not null generated always as (greatest(run_at, not_before)) stored,
    requested_at timestamptz,
    required_as_of timestamptz,
    started_at timestamptz,
    worker bigint,
    fence bigint,
    waited real,
    state freshness.job_state not null default 'scheduled',
    calls smallint not null default 0,
    last_error text,
    estimated_size_bytes bigint,
    validators jsonb,
    primary key (data_type, symbol),
    constraint a_running_job_has_a_worker_and_a_fence check (
        (state = 'running') = (num_nulls(worker, fence, started_at) = 0)
    )
)
-- Jobs are rewritten at each refresh: room on the page keeps most rewrites off the indexes' way.
with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 200);

create index jobs_due on freshness.jobs (data_type, priority, due_at) where state <> 'running';
create index jobs_running on freshness.jobs (worker) where state = 'running';

create sequence freshness.fences;

comment on table freshness.jobs is 'The refresh state of each key; one row per key.';
comment on column freshness.jobs.run_at is 'When the key is to be refreshed: it goes stale then, less refresh_ahead.';
comment on column freshness.jobs.not_before is 'Holds the job back (backoff, set aside); no interest lowers it.';
comment on column freshness.jobs.due_at is 'The later of run_at and not_before: when a worker may claim the job.';
comment on column freshness.jobs.requested_at is 'Last request "make sure it is fresh" that is not yet satisfied.';
comment on column freshness.jobs.required_as_of is
    'Last request "refresh now" that is not yet satisfied: only a fetch begun at or after it does.';
comment on column freshness.jobs.stored_at is 'Timestamp of the newest stored row when the key was last looked at.';
comment on column freshness.jobs.verified_at is
    'Start of the last successful fetch; a row''s age counts from its timestamp or from here, whichever is later.';
comment on column freshness.jobs.fresh_until is 'When the stored data goes stale, as last looked at; null: unknown.';
comment on column freshness.jobs.unwatched_at is 'When the key was first found due with nobody watching.';
comment on column freshness.jobs.viewers is 'Live watches when the key was last looked at.';
comment on column freshness.jobs.attempts is 'Failed attempts since the last success.';
comment on column freshness.jobs.fence is
    'Number of the running refresh, never reused: whoever holds another one can neither write nor finish.';
comment on column freshness.jobs.started_at is 'Database clock at the start of the running fetch: its "as of".';
comment on column freshness.jobs.waited is 'Seconds from when it was due to the start of the running fetch.';
comment on column freshness.jobs.validators is
    'What the source gave to ask "changed since?" with, such as its ETag; null: nothing. Counts with verified_at only.';
comment on column freshness.jobs.alone is
    'Whether the key is fetched by itself, since a batch with it was refused for good; until it succeeds.';
comment on column freshness.jobs.calls is
    'Calls of its source that the running refresh may make; 0 without a source.';
comment on sequence freshness.fences is 'Numbers of refreshes, one for each claim of a job, never reused.';
