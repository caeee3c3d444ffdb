-- Generated from sql/ by `make migration`. Change the files there, not this one.
-- Each part stands between a line that names its file and a line that ends it.

-- >>> sql/000_schema.sql
-- The private schema. What people call is granted by name in 900_grants.sql; nothing else is reachable.
create schema freshness;

comment on schema freshness is
    'Keeps exactly the rows that somebody is looking at fresh: who watches what, when it goes stale, who fetches it.';

revoke all on schema freshness from public;
-- <<<

-- >>> sql/005_job_state.sql
-- "Scheduled" and "pending" are one stored state, told apart by the clock: pending means due_at <= now.
create type freshness.job_state as enum (
    'scheduled',  -- waits for due_at; running -> scheduled: finished, or failed and tried again later
    'running',    -- scheduled | failed -> running: claimed by a worker, guarded by a fence
    'failed'      -- running -> failed: set aside after too many attempts, until due_at or freshness.retry
);

comment on type freshness.job_state is
    'State of a job. Scheduled: waits for its deadline, or is due. Running: being fetched. Failed: set aside.';
-- <<<

-- >>> sql/010_seconds_until.sql
create function freshness.seconds_until(p_moment timestamptz)
returns double precision
language plpgsql
volatile
set search_path = pg_temp
as $$
begin
    return case when isfinite(p_moment) then extract(epoch from p_moment - clock_timestamp())::double precision end;
end
$$;

comment on function freshness.seconds_until(timestamptz) is
    'Seconds from now by the database''s clock, negative when past; null for null and for never (infinity).';
-- <<<

-- >>> sql/100_data_types.sql
-- The registry: one row for each kind of data, with its table and its time-to-live.
create table freshness.data_types (
    name text primary key
    constraint a_name_is_short_and_plain check (name ~ '^[A-Za-z][A-Za-z0-9_-]{0,43}$'),
    data_table regclass not null,
    symbol_column text,
    timestamp_column text not null,
    time_zone text not null default 'UTC',
    ttl interval not null
    constraint a_ttl_is_a_second_or_longer check (ttl between interval '1 second' and interval '100 years'),
    ttl_column text,
    refresh_ahead interval not null default interval '0'
    constraint refresh_ahead_is_not_negative check (refresh_ahead >= interval '0'),
    refresh_ahead_is_auto boolean not null default false,
    jitter interval not null default interval '0'
    constraint jitter_is_not_negative check (jitter >= interval '0'),
    keep_warm interval not null default interval '60 seconds'
    constraint keep_warm_is_100_years_at_most check (keep_warm between interval '0' and interval '100 years'),
    write_mode text not null default 'upsert'
    constraint a_write_mode_is_known check (write_mode in ('upsert', 'append', 'replace')),
    key_columns text[],
    source text,
    calls_per_refresh smallint not null default 1
    constraint a_refresh_makes_one_call_at_least check (calls_per_refresh >= 1),
    priority smallint not null default 0
    constraint a_priority_is_one_digit check (priority between 0 and 9),
    max_attempts smallint not null default 5
    constraint one_attempt_at_least check (max_attempts >= 1),
    backoff_first interval not null default interval '1 second'
    constraint a_backoff_is_a_tenth_of_a_second_or_longer check (backoff_first >= interval '0.1 seconds'),
    backoff_longest interval not null default interval '5 minutes'
    constraint a_backoff_is_a_day_at_most check (backoff_longest <= interval '1 day'),
    deadline_function text,
    staleness_function text,
    not_before_function text,
    look_reads text,
    symbol_is_text boolean not null default false,
    estimated_size_bytes bigint,
    registered_at timestamptz not null default clock_timestamp(),
    constraint refresh_ahead_is_shorter_than_the_ttl check (refresh_ahead_is_auto or refresh_ahead < ttl),
    constraint a_backoff_grows check (backoff_first <= backoff_longest),
    constraint an_upsert_has_key_columns check (write_mode <> 'upsert' or key_columns is not null)
);

create index data_types_data_table on freshness.data_types (data_table);

comment on table freshness.data_types is
    'Registry of data types. Written by freshness.register_data_type and unregister_data_type; a row that is changed'
    ' directly is checked the same way, and its keys are looked at again.';
comment on column freshness.data_types.symbol_column is 'Column that names the entity; null for a global table.';
comment on column freshness.data_types.timestamp_column is 'Column that a row''s age counts from.';
comment on column freshness.data_types.time_zone is 'Zone of the timestamp column when its type has none.';
comment on column freshness.data_types.ttl is 'How long a row stays fresh after its timestamp.';
comment on column freshness.data_types.ttl_column is
    'Column with a row''s own ttl: an interval, or a number of minutes. Null or not positive: the data type''s ttl.';
comment on column freshness.data_types.refresh_ahead is 'How long before the row goes stale its refresh starts.';
comment on column freshness.data_types.refresh_ahead_is_auto is
    'Whether refresh_ahead follows the 95th percentile of the measured fetch times.';
comment on column freshness.data_types.jitter is
    'A refresh starts earlier by a part of this, the same for a key each time, so that keys stored together spread.';
comment on column freshness.data_types.keep_warm is 'How long a key''s state is kept after its last viewer.';
comment on column freshness.data_types.write_mode is
    'upsert: insert or update by key_columns; append: add rows; replace: the key''s rows become the fetched ones.';
comment on column freshness.data_types.key_columns is 'Columns of the unique index that an upsert goes by.';
comment on column freshness.data_types.source is 'Outside provider that the data comes from.';
comment on column freshness.data_types.calls_per_refresh is 'Calls of its source that one refresh makes.';
comment on column freshness.data_types.priority is 'Priority of its jobs, 0 to 9; higher is more urgent.';
comment on column freshness.data_types.max_attempts is 'Failed attempts in a row after which a job is set aside.';
comment on column freshness.data_types.backoff_first is
    'Wait after a first failed attempt; it doubles with each further one. A random half to all of it.';
comment on column freshness.data_types.backoff_longest is 'What the wait between failed attempts grows to.';
comment on column freshness.data_types.deadline_function is
    'Qualified name of a function (timestamptz, interval) -> timestamptz: until when a row is fresh.';
comment on column freshness.data_types.staleness_function is
    'Qualified name of a function (timestamptz, integer minutes) -> boolean: whether a row is stale now.';
comment on column freshness.data_types.not_before_function is
    'Qualified name of a function (symbol text) -> timestamptz: until when its provider is closed; null or past: open.';
comment on column freshness.data_types.look_reads is
    'Name of the table as the look function reads it; written anew when it differs from data_table after a rename.';
comment on column freshness.data_types.symbol_is_text is
    'Whether the symbol column''s values are their own canonical text, as when it was registered.';
-- <<<

-- >>> sql/105_sources.sql
-- Outside providers with their budgets. What a running job may cost is on the job; what ended ones did cost is in
-- spent_calls: nothing is counted twice or kept in a counter that a crash could leave wrong.
create table freshness.sources (
    name text primary key
    constraint a_name_is_short_and_plain check (name ~ '^[A-Za-z][A-Za-z0-9_.-]{0,49}$'),
    calls_per_minute integer
    constraint one_call_per_minute_at_least check (calls_per_minute >= 1),
    burst integer
    constraint a_burst_is_part_of_a_minute check (burst between 1 and calls_per_minute),
    calls_in_flight integer
    constraint one_call_in_flight_at_least check (calls_in_flight >= 1),
    bytes_per_30_days bigint
    constraint bytes_are_positive check (bytes_per_30_days >= 1),
    tokens double precision,
    tokens_at timestamptz,
    short_since timestamptz,
    opens_at timestamptz,
    failures integer not null default 0,
    pauses integer not null default 0,
    paused_until timestamptz,
    pause_reason text
)
with (fillfactor = 50);

create table freshness.spent_calls (
    source text not null,
    spent_at timestamptz not null default clock_timestamp(),
    calls integer not null,
    bytes bigint not null
);

create index spent_calls_source on freshness.spent_calls (source, spent_at);

-- A publication of all tables must not make folding fail.
alter table freshness.spent_calls replica identity full;

create table freshness.spent_days (
    source text not null,
    day date not null,
    calls bigint not null,
    bytes bigint not null,
    primary key (source, day)
);

comment on table freshness.sources is 'Providers of data and what they allow. Null: no limit.';
comment on column freshness.sources.calls_per_minute is
    'Calls in any 60 seconds, as the provider counts them: a call counts from its claim until 60 s after its end.';
comment on column freshness.sources.burst is
    'Calls that may start at once; the others are spread evenly over the minute. Null: all of a minute''s.';
comment on column freshness.sources.calls_in_flight is 'Calls that may be under way at the same time.';
comment on column freshness.sources.bytes_per_30_days is 'Bytes that may be fetched in any 30 days, counted by days.';
comment on column freshness.sources.tokens is
    'Calls that could have started at tokens_at without leaving the even pace; null: a whole burst.';
comment on column freshness.sources.short_since is 'Since when due jobs wait for the budget; null: none does.';
comment on column freshness.sources.opens_at is 'When the next claim may get something, while due jobs wait.';
comment on column freshness.sources.failures is 'Failures of the source itself in a row.';
comment on column freshness.sources.pauses is 'Pauses in a row that repeated failures caused; each is longer.';
comment on column freshness.sources.paused_until is 'No call starts before: it asked for that, or failed repeatedly.';
comment on table freshness.spent_calls is 'Calls that have ended, append-only; folded into spent_days a minute later.';
comment on table freshness.spent_days is 'Calls and bytes of each day (UTC); 30 days are kept.';
-- <<<

-- >>> sql/110_jobs.sql
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
-- <<<

-- >>> sql/115_watches.sql
-- Who is interested in what. A Realtime subscription's watch lives as long as its row in realtime.subscription,
-- which is looked up by id: Realtime's migrations fail on a foreign key to that table. Each check costs a subscriber's
-- statement ten microseconds, so lengths are checked where symbols and watchers come in.
create table freshness.watches (
    data_type text not null,
    symbol text not null,
    watcher text not null,
    subscription_row bigint,
    subscription_id uuid,
    lease_until timestamptz,
    primary key (data_type, symbol, watcher),
    constraint a_watch_is_a_subscription_or_a_lease check (
        num_nonnulls(subscription_row, lease_until) = 1 and num_nonnulls(subscription_row, subscription_id) <> 1
    )
);

create index watches_subscription_row on freshness.watches (subscription_row) where subscription_row is not null;
create index watches_lease_until on freshness.watches (lease_until) where lease_until is not null;

comment on table freshness.watches is 'Somebody''s interest in a key: a Realtime subscription, or a lease with an end.';
comment on column freshness.watches.watcher is
    'realtime:<id of the subscription''s row>, or the name a lease was taken under.';
comment on column freshness.watches.subscription_row is 'id of the row in realtime.subscription; not a foreign key.';
comment on column freshness.watches.subscription_id is
    'subscription_id of that row: tells it from a later row with the same id.';
comment on column freshness.watches.lease_until is 'When the lease ends unless it is renewed.';
-- <<<

-- >>> sql/120_pulls.sql
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
-- <<<

-- >>> sql/125_workers.sql
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
-- <<<

-- >>> sql/127_last_sign.sql
-- A worker that sleeps is not heard of, and can be handed a job all the same: its time to show that it lives begins
-- with that. A start in the future was noted before the clock was set back, and does not count.
create function freshness.last_sign(p_seen_at timestamptz, p_started_at timestamptz, p_heartbeat_limit interval)
returns timestamptz
language plpgsql
set search_path = pg_temp
as $$
begin
    if p_started_at > p_seen_at and p_started_at <= clock_timestamp() + p_heartbeat_limit then
        return p_started_at;
    end if;
    return p_seen_at;
end
$$;

comment on function freshness.last_sign(timestamptz, timestamptz, interval) is
    'From when the heartbeat limit of a worker counts, for a job that it runs since p_started_at.';
-- <<<

-- >>> sql/130_events.sql
-- What happened, append-only and pruned: feeds the history, the success rate and the streams. One row for each refresh,
-- at its end; its numbers are the sequence's, and each sixty-fourth is enough to find the newest.
create table freshness.events (
    id bigint generated always as identity,
    happened_at timestamptz not null default clock_timestamp(),
    kind text not null
    constraint a_kind_is_known check (
        kind in (
            'refreshing', 'fresh', 'unchanged', 'superseded', 'missing', 'stale',
            'failed', 'retry_after', 'taken_over', 'handed_back', 'ignored', 'error'
        )
    ),
    data_type text,
    symbol text,
    worker bigint,
    fence bigint,
    duration interval,
    waited real,
    bytes bigint,
    message text,
    is_measured boolean
);

create index events_happened_at on freshness.events using brin (happened_at, id)
with (pages_per_range = 8, autosummarize = on);
create index events_newest on freshness.events (id) where id % 64 = 0;

-- A publication of all tables must not make pruning fail.
alter table freshness.events replica identity full;

comment on table freshness.events is
    'History of refreshes and of what could not be done. Pruned by the sweep after 7 days.';
comment on column freshness.events.kind is
    'fresh | unchanged | superseded | missing | stale | failed | retry_after: how a refresh ended (freshness.finish,'
    ' freshness.fail). taken_over | handed_back: its worker died or stopped. refreshing: a fetch starts, written only'
    ' while somebody is told of that (freshness.listen_for). ignored: a subscription that names no key. error:'
    ' something that needs a look.';
comment on column freshness.events.duration is 'From the start of the fetch to its end, by the database''s clock.';
comment on column freshness.events.waited is 'Seconds from when its job was due to the start of the fetch.';
comment on column freshness.events.bytes is 'Size of the source''s answers as they came over the wire; null: unknown.';
comment on column freshness.events.is_measured is
    'Whether its duration counts for refresh_ahead auto; null: not, as for data types that have none.';
comment on column freshness.events.message is 'The reason, in words; never a claim, a token or a row''s content.';
-- <<<

-- >>> sql/135_sweeps.sql
create table freshness.sweeps (
    id bigint generated always as identity primary key,
    started_at timestamptz not null default clock_timestamp(),
    duration interval not null,
    watches_ended integer not null default 0,
    keys_released integer not null default 0,
    viewers_counted integer not null default 0,
    history_pruned integer not null default 0,
    watches_mended integer not null default 0,
    jobs_mended integer not null default 0,
    taken_over integer not null default 0,
    mended integer not null generated always as (watches_mended + jobs_mended + taken_over) stored,
    is_complete boolean not null default true
);

comment on table freshness.sweeps is
    'What each run of the sweep did. Ended, released, counted and pruned are housekeeping; what is mended had been'
    ' missed, and is none on a healthy system.';
comment on column freshness.sweeps.keys_released is 'Jobs of keys that nobody wants any more: kept warm, or dropped.';
comment on column freshness.sweeps.viewers_counted is 'Jobs whose number of viewers was brought up to date.';
comment on column freshness.sweeps.mended is 'Watches and jobs that were missing or wrong, and jobs of dead workers.';
comment on column freshness.sweeps.is_complete is
    'False: it ran out of time, or passed over rows that somebody held; the next one goes on.';
-- <<<

-- >>> sql/137_sweep_slices.sql
-- What a sweep still has to do. It compares everything once; pg_cron then mends a slice in each transaction. A sweep
-- that was cut short is forgotten by the next one: a slice only says where to look.
create unlogged table freshness.sweep_slices (
    id bigint generated always as identity primary key,
    data_type text,
    is_plain boolean,
    subscription_rows bigint[],
    symbols text[]
);

-- Compressing them takes longer than writing them.
alter table freshness.sweep_slices
alter column subscription_rows set storage external,
alter column symbols set storage external;

comment on table freshness.sweep_slices is
    'What the sweep that is under way has found and not yet mended: rows of realtime.subscription, or keys of a data'
    ' type; or, with neither, a data type whose keys are yet to be compared.';
comment on column freshness.sweep_slices.is_plain is
    'Subscriptions that are plain (freshness.differing_subscriptions), or keys that have no job.';
-- <<<

-- >>> sql/140_sleepers.sql
-- Who sleeps until when. Unlogged: arming waits for no flush, and after a crash of the server nobody is asleep anyway.
create unlogged table freshness.sleepers (
    channel text primary key,
    worker bigint not null,
    data_types text[] not null,
    listener integer not null,
    asleep_until timestamptz not null,
    looked_at timestamptz not null,
    rings_at timestamptz
)
with (fillfactor = 50);

comment on table freshness.sleepers is
    'Workers that sleep until something is due, and have to be told of anything that is due earlier.';
comment on column freshness.sleepers.channel is 'Notification channel that this worker alone listens to.';
comment on column freshness.sleepers.listener is 'Backend that listens for it; when that is gone, so is the sleeper.';
comment on column freshness.sleepers.asleep_until is 'When it wakes by itself; infinity when it knows of nothing.';
comment on column freshness.sleepers.rings_at is
    'When it looks for itself whether the one that keeps the time still lives; null: it leaves that to another one.';
comment on column freshness.sleepers.looked_at is 'Its last look; each sleeper looks at least every half minute.';
-- <<<

-- >>> sql/145_listeners.sql
-- Who is to be told of what becomes of a key. Unlogged: to say so waits for no flush, and a crash of the server ends
-- the connections that listen too.
create unlogged table freshness.listeners (
    data_type text not null,
    symbol text not null,
    backend integer not null,
    is_told_of_starts boolean not null default false,
    seen_at timestamptz not null default clock_timestamp(),
    -- A process that waits for a key and streams it has two, and ends one without the other.
    primary key (data_type, symbol, backend, is_told_of_starts)
)
-- Asked whenever something happens to any key, so it has to stay small.
with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

comment on table freshness.listeners is
    'Processes that wait for a key, or stream it: they are told on channel freshness_events what becomes of it. When'
    ' nobody waits, nobody is told.';
comment on column freshness.listeners.backend is 'Backend that listens to the channel; when it is gone, so is this.';
comment on column freshness.listeners.is_told_of_starts is 'Whether starts are told (refreshing), not ends'
    ' alone: true for streams, false for waits.';
comment on column freshness.listeners.seen_at is 'Its last look; each listener looks at least every half minute.';
-- <<<

-- >>> sql/200_time_expressions.sql
-- SQL that the functions written for a data type are made of. In it r is a stored row, t the row of the registry,
-- k.symbol the symbol, d.counted_at what a row's age counts from, and d.ttl its time-to-live.

create function freshness.timestamp_expression(p_type oid, p_time_zone text, p_reference text)
returns text
language plpgsql
immutable
set search_path = pg_temp
as $$
begin
    return case
        when p_type = 'timestamptz'::regtype then p_reference
        else format('(%s::timestamp at time zone %L)', p_reference, p_time_zone)
    end;
end
$$;

comment on function freshness.timestamp_expression(oid, text, text) is
    'SQL that reads a timestamp column as timestamptz; a type without a zone is read in the data type''s zone.';

create function freshness.ttl_expression(p_type oid, p_reference text)
returns text
language sql
immutable
set search_path = pg_temp
as $$
    select case
        when p_type is null then 't.ttl'
        when p_type = 'interval'::regtype then
            format(
                'case when %1$s > interval ''0'''
                ' then greatest(least(%1$s, interval ''100 years''), interval ''1 second'') else t.ttl end',
                p_reference
            )
        else
            format(
                -- NaN is above all numbers.
                'case when %1$s > 0 and %1$s::double precision <> ''NaN'' then greatest('
                'least(%1$s, 52560000)::double precision * interval ''1 minute'', interval ''1 second'')'
                ' else t.ttl end',
                p_reference
            )
    end
$$;

comment on function freshness.ttl_expression(oid, text) is
    'SQL that reads a row''s own ttl (interval, or minutes; a second to 100 years), falling back on the data type''s.';

create function freshness.deadline_expression(p_type freshness.data_types)
returns text
language sql
immutable
set search_path = pg_temp
as $$
    -- A staleness function only says whether, not when: asked at the deadline, and again a minute later when it said
    -- no.
    select format(
        case when p_type.staleness_function is null then '%1$s' else
            'case when %2$s(d.counted_at, (extract(epoch from d.ttl) / 60)::integer)'
            ' then least(%1$s, clock_timestamp()) else greatest(%1$s, clock_timestamp() + interval ''1 minute'') end'
        end,
        case
            when p_type.deadline_function is null then 'd.counted_at + d.ttl'
            else format('%s(d.counted_at, d.ttl)', p_type.deadline_function)
        end,
        p_type.staleness_function
    )
$$;

comment on function freshness.deadline_expression(freshness.data_types) is
    'SQL for the moment at which a row goes stale: by its ttl, or as the data type''s functions say.';

create function freshness.ahead_expression(p_type freshness.data_types)
returns text
language sql
immutable
set search_path = pg_temp
as $$
    select case
        when p_type.jitter = interval '0' then 't.refresh_ahead'
        else format(
            't.refresh_ahead + t.jitter * ((hashtextextended(k.symbol, %s) & 65535) / 65536.0)::double precision',
            hashtext(p_type.name)
        )
    end
$$;

comment on function freshness.ahead_expression(freshness.data_types) is
    'SQL for how long before its row goes stale a key is refreshed: refresh_ahead, and with jitter a share of it that'
    ' the data type''s name and the symbol decide, so that it is the same each time.';

create function freshness.refresh_expression(p_type freshness.data_types, p_fresh_until text, p_counted_at text)
returns text
language sql
immutable
set search_path = pg_temp
as $$
    select format(
        -- Only a function can name a deadline that is infinite.
        case
            when p_type.deadline_function is null and p_type.staleness_function is null
                then 'greatest(%1$s - (%3$s), %2$s + (%1$s - %2$s) / 2)'
            else 'case when isfinite(%1$s) then greatest(%1$s - (%3$s), %2$s + (%1$s - %2$s) / 2) else %1$s end'
        end,
        p_fresh_until, p_counted_at, freshness.ahead_expression(p_type)
    )
$$;

comment on function freshness.refresh_expression(freshness.data_types, text, text) is
    'SQL for when a key''s refresh is due, given what is fresh until when, and what its age counts from: ahead of that,'
    ' but never in the first half of its life.';
-- <<<

-- >>> sql/205_symbols.sql
-- A symbol is the symbol column's value as canonical text: cast through the column's type and back. Dates and times are
-- written as the session says, so what makes a text of a symbol settles that: they are read back in any session.

create function freshness.cast_symbol(p_symbol text, p_type text)
returns text
language plpgsql
stable
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
    v_symbol text;
begin
    execute format('select ($1::%s)::text', p_type) into v_symbol using p_symbol;
    return v_symbol;
exception
    when data_exception or integrity_constraint_violation then
        return null;
end
$$;

comment on function freshness.cast_symbol(text, text) is
    'One symbol as the canonical text of a type, or null when it is not a value of that type.';

create function freshness.cast_symbols(p_symbols text[], p_type text, out given text[], out symbols text[])
language plpgsql
stable
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
begin
    execute format(
        'select array_agg(g), array_agg(case when length(g) between 1 and 200 then (g::%1$s)::text end)'
        ' from (select distinct g from unnest($1) as g) as given',
        p_type
    ) into given, symbols using p_symbols;
end
$$;

comment on function freshness.cast_symbols(text[], text) is
    'Each given text once, and beside it its symbol: the canonical text of a type, or null. Fails if one is no value of'
    ' that type.';

create function freshness.canonical_symbols(p_data_type text, p_symbols text[])
returns table (given text, symbol text)
language plpgsql
stable
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_type oid;
    v_is_global boolean;
    v_given text[];
    v_symbols text[];
begin
    select t.symbol_column is null, a.atttypid
    into v_is_global, v_type
    from freshness.data_types as t
    left join pg_catalog.pg_attribute as a
        on a.attrelid = t.data_table and a.attname = t.symbol_column and not a.attisdropped
    where t.name = p_data_type;

    -- Not registered, or its table or symbol column is gone: then nothing is a symbol of it.
    if v_is_global is null or (v_type is null and not v_is_global) then
        return query
        select distinct g, null::text from unnest(p_symbols) as g;
    elsif v_is_global then
        return query
        select distinct g, 'GLOBAL' from unnest(p_symbols) as g;
    elsif v_type in ('text'::regtype, 'varchar'::regtype) then
        return query
        select distinct g, case when length(g) between 1 and 200 then g end from unnest(p_symbols) as g;
    else
        -- The whole list at once is ten times faster; one that does not fit the type spoils it, then each goes alone.
        -- Not returned from here: what was returned before an error would stay.
        begin
            select c.given, c.symbols into v_given, v_symbols
            from freshness.cast_symbols(p_symbols, format_type(v_type, -1)) as c;
        exception
            when data_exception or integrity_constraint_violation then
                v_given := array(select distinct g from unnest(p_symbols) as g);
                v_symbols := array(
                    select case when length(g) between 1 and 200 then freshness.cast_symbol(g, format_type(v_type, -1)) end
                    from unnest(v_given) with ordinality as u (g, place)
                    order by u.place
                );
        end;
        -- Few characters may stand for many: 1e300 is a number.
        return query
        select u.given, case when length(u.symbol) between 1 and 200 then u.symbol end
        from unnest(v_given, v_symbols) as u (given, symbol);
    end if;
end
$$;

comment on function freshness.canonical_symbols(text, text[]) is
    'Each given text once, with its symbol: canonical through the symbol column''s type, GLOBAL for a global table,'
    ' null when it is no value of that type, empty, or longer than 200 characters.';
-- <<<

-- >>> sql/207_owner_name.sql
-- Whoever registers a data type, what that writes belongs to the owner of everything here: our functions call it, and
-- write it anew, with their owner's rights.
create function freshness.owner_name()
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (select n.nspowner::regrole::text from pg_catalog.pg_namespace as n where n.nspname = 'freshness');
end
$$;

comment on function freshness.owner_name() is 'Role that owns schema freshness, quoted where needed.';
-- <<<

-- >>> sql/210_look.sql
-- Looking at a key: what is stored, and until when it is fresh. Registration writes one small static function for each
-- data type (its plan stays cached; a dynamic statement is planned on each call), and look() calls it by name.

create function freshness.look(p_data_type text, p_symbols text[], p_verified_at timestamptz[] default null)
returns table (
    symbol text,
    present boolean,
    stored_at timestamptz,
    fresh_until timestamptz,
    refresh_at timestamptz,
    problem text
)
language plpgsql
stable
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_half integer := cardinality(p_symbols) / 2;
begin
    return query execute format('select *, null::text from freshness.%I($1, $2)', 'look_' || p_data_type)
        using p_symbols, p_verified_at;
exception
    -- A data table that was dropped or changed under us concerns its own keys, and nobody else's; a symbol or a row
    -- that spoils the statement, or that a function raises for, concerns its own key: it is found by halving.
    when others or assert_failure then
        if v_half > 0 and sqlstate !~ '^(40|42|53|55|57)' then
            return query
            select * from freshness.look(p_data_type, p_symbols[:v_half], p_verified_at[:v_half])
            union all
            select * from freshness.look(p_data_type, p_symbols[v_half + 1:], p_verified_at[v_half + 1:]);
            return;
        end if;
        return query
        select k.symbol, false, null::timestamptz, null::timestamptz, null::timestamptz, sqlstate || ' ' || sqlerrm
        from unnest(p_symbols) as k (symbol);
end
$$;

comment on function freshness.look(text, text[], timestamptz[]) is
    'For each symbol: whether a row is present, the newest row''s timestamp, until when it is fresh, and when its'
    ' refresh is due (before that by refresh_ahead and jitter, but never in the first half of its life). Null times: no'
    ' row, no timestamp. A timestamp up to a minute (or one ttl) ahead of the clock counts as now, one further ahead as'
    ' none. problem: why it could not be read (table dropped, column changed), and then nothing else is known.'
    ' p_verified_at: for each symbol, the start of a fetch that has just succeeded; without one the job''s verified_at'
    ' is used.';
-- <<<

-- >>> sql/213_look_joins.sql
-- A table with a key on the symbol has one row to find: to take the newest of many by sorting costs as much again.
create function freshness.newest_row(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
declare
    v_table text := freshness.find_table_again(p_type)::text;
    v_timestamp oid := freshness.find_timestamp_column(p_type.data_table, p_type.timestamp_column);
    v_stored_at text := freshness.timestamp_expression(
        v_timestamp, p_type.time_zone, format('r.%I', p_type.timestamp_column)
    );
    v_rows text := format(
        $body$
                from %1$s as r
                where
                    %2$s
                    and isfinite(r.%3$I)
                    and %4$s <= clock_timestamp() + least(t.ttl, interval '1 minute')$body$,
        v_table, freshness.row_condition(p_type), p_type.timestamp_column, v_stored_at
    );
begin
    if p_type.ttl_column is null then
        return format(
            $body$
            select true as present, %1$s as stored_at, t.ttl
            from (
                select max(r.%2$I) as newest %3$s
            ) as m
            where m.newest is not null$body$,
            freshness.timestamp_expression(v_timestamp, p_type.time_zone, 'm.newest'), p_type.timestamp_column, v_rows
        );
    end if;
    return format(
        $body$
            select true as present, %1$s as stored_at, %2$s as ttl %3$s
            order by r.%4$I desc
            limit 1$body$,
        v_stored_at,
        freshness.ttl_expression(
            freshness.find_ttl_column(p_type.data_table, p_type.ttl_column), 'r.' || quote_ident(p_type.ttl_column)
        ),
        v_rows, p_type.timestamp_column
    );
end
$define$;

comment on function freshness.newest_row(freshness.data_types) is
    'SQL that finds of the stored rows of key k the newest that is not far in the future: present, stored_at and ttl,'
    ' or no row. FR002 names the table or column that is gone.';

-- The look itself, as it stands in each statement that looks at keys of one data type: what is stored, until when it is
-- fresh, and when its refresh is due. A timestamp far in the future, or infinite, is passed over, so that it cannot
-- hide that the data is old. And what a fetch has verified counts only while the rows are those, not when they were
-- deleted or went back.
create function freshness.look_joins(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format(
        $body$
        left join lateral (
            %1$s
        ) as n on true
        cross join lateral (
            select
                n.present,
                n.stored_at,
                coalesce(n.ttl, t.ttl) as ttl,
                greatest(
                    case when n.stored_at > clock_timestamp() then clock_timestamp() else n.stored_at end,
                    case
                        when k.verified_at is not null then k.verified_at
                        when
                            coalesce(n.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity')
                            and j.verified_at <= clock_timestamp() + least(t.ttl, interval '1 minute')
                            then least(j.verified_at, clock_timestamp())
                    end
                ) as counted_at
        ) as d
        cross join lateral (
            select case when d.counted_at is not null then %2$s end as fresh_until
        ) as f
        cross join lateral (
            select %3$s as refresh_at
        ) as a
        $body$,
        freshness.newest_row(p_type), freshness.deadline_expression(p_type),
        freshness.refresh_expression(p_type, 'f.fresh_until', 'd.counted_at')
    );
end
$define$;

comment on function freshness.look_joins(freshness.data_types) is
    'SQL that joins what is known of a key: n (present), d (stored_at), f (fresh_until) and a (refresh_at), to t, the'
    ' row of the registry, k (symbol, and verified_at of a fetch that has just succeeded or null) and j (stored_at and'
    ' verified_at of its job). FR002 names the table or column that is gone.';
-- <<<

-- >>> sql/215_define_look.sql
create function freshness.define_look(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_type freshness.data_types;
    v_table text;
    v_name text := 'look_' || p_data_type;
    v_body text;
begin
    select * into strict v_type from freshness.data_types as t where t.name = p_data_type;
    v_table := freshness.find_table_again(v_type)::text;
    v_body := format(
        $body$
        begin
            return query
            select
                k.symbol,
                coalesce(d.present, exists (select from %1$s as r where %2$s)),
                d.stored_at,
                f.fresh_until,
                a.refresh_at
            from unnest(p_symbols, p_verified_at) as k (symbol, verified_at)
            join freshness.data_types as t on t.name = %3$L
            -- With a limit, so that no plan made while there are few jobs reads all of a data type's.
            left join lateral (
                select o.stored_at, o.verified_at
                from freshness.jobs as o
                where o.data_type = %3$L and o.symbol = k.symbol
                limit 1
            ) as j on true %4$s;
        end
        $body$,
        v_table, freshness.row_condition(v_type), v_type.name, freshness.look_joins(v_type)
    );
    update freshness.data_types as t set look_reads = v_table
    where t.name = p_data_type and t.look_reads is distinct from v_table;
    if exists (
        select from pg_catalog.pg_proc as f
        where f.pronamespace = 'freshness'::regnamespace and f.proname = v_name and f.prosrc = v_body
    ) then
        return;
    end if;
    execute format(
        'create or replace function freshness.%1$I(p_symbols text[], p_verified_at timestamptz[]) returns table'
        ' (symbol text, present boolean, stored_at timestamptz, fresh_until timestamptz, refresh_at timestamptz)'
        ' language plpgsql stable rows 10 set search_path = pg_temp as %2$L;'
        ' revoke all on function freshness.%1$I(text[], timestamptz[]) from public;'
        ' alter function freshness.%1$I(text[], timestamptz[]) owner to %3$s',
        v_name, v_body, freshness.owner_name()
    );
end
$define$;

comment on function freshness.define_look(text) is
    'Writes the look function of a registered data type: freshness."look_<name>"(symbols, verified_at).'
    ' FR002 names the table or column that is gone.';
-- <<<

-- >>> sql/220_look_at_key.sql
create function freshness.row_condition(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return case
        when p_type.symbol_column is null then 'true'
        else format(
            'r.%I = k.symbol::%s', p_type.symbol_column,
            format_type(freshness.find_column(p_type.data_table, p_type.symbol_column, 'symbol'), -1)
        )
    end;
end
$$;

comment on function freshness.row_condition(freshness.data_types) is
    'SQL that tells whether a stored row r is of the key k; FR002 when the symbol column is gone.';

-- A subscriber's statement brings one key, and waits for what we do. For one key a few statements of PL/pgSQL cost a
-- third of the set-based look. They follow the same rule: t, k and d are what the expressions of both call the
-- registry's row, the symbol and what an age counts from; here t has what is needed of the job, too.
create function freshness.look_at_key(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
declare
    v_ttl oid := freshness.find_ttl_column(p_type.data_table, p_type.ttl_column);
begin
    return format(
        $body$
        <<d>>
        declare
            stored_at timestamptz;
            fresh_until timestamptz;
            counted_at timestamptz;
            ttl interval;
        begin
            v_now := clock_timestamp();
            select %1$s, %2$s into d.stored_at, d.ttl
            from %3$s as r
            where %4$s and isfinite(r.%5$I) and %1$s <= v_now + least(t.ttl, interval '1 minute')
            order by r.%5$I desc
            limit 1;
            d.ttl := coalesce(d.ttl, t.ttl);
            d.counted_at := case when d.stored_at > v_now then v_now else d.stored_at end;
            if
                coalesce(d.stored_at, '-infinity') >= coalesce(t.stored_at, '-infinity')
                and t.verified_at <= v_now + least(t.ttl, interval '1 minute')
            then
                d.counted_at := greatest(d.counted_at, least(t.verified_at, v_now));
            end if;
            d.fresh_until := case when d.counted_at is not null then %6$s end;
            v_stored_at := d.stored_at;
            v_fresh_until := d.fresh_until;
            v_refresh_at := %7$s;
        end d;$body$,
        freshness.timestamp_expression(
            freshness.find_timestamp_column(p_type.data_table, p_type.timestamp_column), p_type.time_zone,
            format('r.%I', p_type.timestamp_column)
        ),
        freshness.ttl_expression(v_ttl, 'r.' || quote_ident(p_type.ttl_column)),
        p_type.data_table, freshness.row_condition(p_type), p_type.timestamp_column,
        freshness.deadline_expression(p_type), freshness.refresh_expression(p_type, 'd.fresh_until', 'd.counted_at')
    );
end
$define$;

comment on function freshness.look_at_key(freshness.data_types) is
    'PL/pgSQL that looks at one key, k.symbol, given t: ttl, refresh_ahead and jitter, and stored_at and verified_at of'
    ' its job, or nulls. It sets v_now and the v_stored_at, v_fresh_until and v_refresh_at of freshness.look, and'
    ' raises what that reports as a problem.';
-- <<<

-- >>> sql/225_find_columns.sql
-- Checks of a registration against the catalog. Each error names what is missing and what to do.

create function freshness.find_column(p_table regclass, p_column text, p_role text, p_types text[] default null)
returns oid
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_type oid;
begin
    select a.atttypid into v_type
    from pg_catalog.pg_attribute as a
    where a.attrelid = p_table and a.attname = p_column and a.attnum > 0 and not a.attisdropped;

    if v_type is null then
        raise exception using
            errcode = 'FR002',
            message = format('column "%s" of table %s does not exist', p_column, p_table),
            hint = format('Pass the name of its %1$s column as %1$s_column.', p_role)
            || case when p_role = 'symbol' then ' Null stands for a global table.' else '' end;
    elsif not (v_type = any (p_types::regtype[]::oid[])) then
        raise exception using
            errcode = 'FR002',
            message = format('column "%s" of table %s has type %s', p_column, p_table, v_type::regtype),
            hint = format('A %s column has one of the types %s.', p_role, array_to_string(p_types, ', '));
    end if;
    return v_type;
end
$$;

comment on function freshness.find_column(regclass, text, text, text[]) is
    'Type of a column; FR002 with a hint when it does not exist or has none of the given types.';

create function freshness.find_timestamp_column(p_table regclass, p_column text)
returns oid
language sql
stable
set search_path = pg_temp
as $$
    select freshness.find_column(
        p_table, p_column, 'timestamp', array['timestamp with time zone', 'timestamp without time zone', 'date']
    )
$$;

comment on function freshness.find_timestamp_column(regclass, text) is 'Type of a column of times; FR002 otherwise.';

create function freshness.find_ttl_column(p_table regclass, p_column text)
returns oid
language sql
stable
set search_path = pg_temp
as $$
    select freshness.find_column(
        p_table, p_column, 'ttl', array['interval', 'integer', 'bigint', 'smallint', 'numeric']
    )
    where p_column is not null
$$;

comment on function freshness.find_ttl_column(regclass, text) is
    'Type of a column of times-to-live, null for no column; FR002 otherwise.';

create function freshness.find_key_columns(p_table regclass, p_symbol_column text)
returns text[]
language sql
stable
set search_path = pg_temp
as $$
    select array_agg(a.attname::text order by c.position)
    from pg_catalog.pg_index as i
    cross join unnest(i.indkey) with ordinality as c (attnum, position)
    join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = c.attnum
    where
        i.indrelid = p_table
        and i.indisunique and i.indisvalid and i.indimmediate
        and i.indpred is null and i.indexprs is null
        and c.position <= i.indnkeyatts
    group by i.indexrelid, i.indisprimary
    having p_symbol_column is null or p_symbol_column = any (array_agg(a.attname::text))
    order by i.indisprimary desc, count(*), i.indexrelid
    limit 1
$$;

comment on function freshness.find_key_columns(regclass, text) is
    'Columns of the unique index that an upsert goes by: the primary key when it has the symbol column, else the'
    ' narrowest that has it; null when there is none.';
-- <<<

-- >>> sql/230_find_table.sql
create function freshness.find_table(p_table text)
returns regclass
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_table regclass;
begin
    begin
        v_table := to_regclass(p_table);
    exception
        when syntax_error_or_access_rule_violation then
            v_table := null;
    end;
    if v_table is null or (select c.relkind from pg_catalog.pg_class as c where c.oid = v_table) not in ('r', 'p') then
        raise exception using
            errcode = 'FR002',
            message = format('table %s does not exist', coalesce(quote_literal(p_table), 'null')),
            hint = 'Pass the schema-qualified name of the table that holds the rows, such as ''public.quotes'';'
            ' not a view.';
    end if;
    return v_table;
end
$$;

comment on function freshness.find_table(text) is
    'A table, partitioned or not, by its schema-qualified name; FR002 with a hint when there is none.';

create function freshness.find_table_again(p_type freshness.data_types)
returns regclass
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    if not exists (select from pg_catalog.pg_class as c where c.oid = p_type.data_table) then
        raise exception using
            errcode = 'FR002',
            message = format('the table of data type %s was dropped', p_type.name),
            hint = 'Create it and register the data type again.';
    end if;
    return freshness.find_table(p_type.data_table::text);
end
$$;

comment on function freshness.find_table_again(freshness.data_types) is
    'The table of a registered data type, whatever it is called now; FR002 when it was dropped.';
-- <<<

-- >>> sql/235_find_function.sql
create function freshness.find_function(p_function text, p_arguments text, p_result regtype, p_role text)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_function regprocedure;
begin
    if p_function is null then
        return null;
    end if;
    begin
        v_function := to_regprocedure(
            case when p_function like '%(%' then p_function else p_function || '(' || p_arguments || ')' end
        );
    exception
        when syntax_error_or_access_rule_violation or invalid_text_representation then
            v_function := null;
    end;
    if
        v_function is null
        or (select f.prorettype from pg_catalog.pg_proc as f where f.oid = v_function) <> p_result
    then
        raise exception using
            errcode = 'FR002',
            message = format('function %s(%s) that returns %s does not exist', p_function, p_arguments, p_result),
            hint = format('Create it, or pass its schema-qualified name as %s_function.', p_role);
    end if;
    return (
        select format('%I.%I', n.nspname, f.proname)
        from pg_catalog.pg_proc as f
        join pg_catalog.pg_namespace as n on n.oid = f.pronamespace
        where f.oid = v_function
    );
end
$$;

comment on function freshness.find_function(text, text, regtype, text) is
    'Qualified name of a function with these arguments and this result; FR002 with a hint when there is none.';
-- <<<

-- >>> sql/240_register_data_type.sql
create function freshness.register_data_type(
    name text,
    data_table text,
    ttl interval,
    symbol_column text default 'symbol',
    timestamp_column text default 'fetched_at',
    time_zone text default 'UTC',
    ttl_column text default null,
    refresh_ahead text default '0',
    keep_warm interval default '60 seconds',
    write_mode text default 'upsert',
    source text default null,
    priority integer default 0,
    max_attempts integer default 5,
    deadline_function text default null,
    staleness_function text default null,
    not_before_function text default null,
    jitter interval default '0',
    estimated_size_bytes bigint default null,
    backoff_first interval default '1 second',
    backoff_longest interval default '5 minutes',
    calls_per_refresh integer default 1,
    triggers boolean default true
)
returns freshness.data_types
language plpgsql
set search_path = pg_temp
as $$
#variable_conflict use_variable
declare
    v_table regclass := freshness.find_table(data_table);
    v_is_auto boolean := coalesce(lower(refresh_ahead) = 'auto', false);
    v_row freshness.data_types;
begin
    perform freshness.check_words(name, write_mode, priority, max_attempts, calls_per_refresh);
    -- The registry's own triggers check the rest, write the look function and have the keys looked at again.
    insert into freshness.data_types as t (
        name, data_table, symbol_column, timestamp_column, time_zone, ttl, ttl_column, refresh_ahead,
        refresh_ahead_is_auto, jitter, keep_warm, write_mode, source, calls_per_refresh, priority, max_attempts,
        deadline_function, staleness_function, not_before_function, estimated_size_bytes, backoff_first,
        backoff_longest
    )
    values (
        name, v_table, symbol_column, timestamp_column, time_zone, ttl, ttl_column,
        case when v_is_auto then '0' else freshness.read_interval(refresh_ahead, 'refresh_ahead') end,
        v_is_auto, jitter, keep_warm, write_mode, source, calls_per_refresh, priority, max_attempts,
        deadline_function, staleness_function, not_before_function, estimated_size_bytes, backoff_first,
        backoff_longest
    )
    on conflict on constraint data_types_pkey do update set
        data_table = excluded.data_table,
        symbol_column = excluded.symbol_column,
        timestamp_column = excluded.timestamp_column,
        time_zone = excluded.time_zone,
        ttl = excluded.ttl,
        ttl_column = excluded.ttl_column,
        -- What was measured stays.
        refresh_ahead = case
            when v_is_auto and t.refresh_ahead_is_auto then t.refresh_ahead else excluded.refresh_ahead
        end,
        refresh_ahead_is_auto = excluded.refresh_ahead_is_auto,
        jitter = excluded.jitter,
        keep_warm = excluded.keep_warm,
        write_mode = excluded.write_mode,
        key_columns = excluded.key_columns,
        source = excluded.source,
        calls_per_refresh = excluded.calls_per_refresh,
        priority = excluded.priority,
        max_attempts = excluded.max_attempts,
        deadline_function = excluded.deadline_function,
        staleness_function = excluded.staleness_function,
        not_before_function = excluded.not_before_function,
        estimated_size_bytes = excluded.estimated_size_bytes,
        backoff_first = excluded.backoff_first,
        backoff_longest = excluded.backoff_longest
    returning t.* into v_row;

    -- Whatever was wrong with its table has been put right.
    perform freshness.define_look(name);
    perform freshness.define_ends(name);
    perform freshness.define_data_trigger(name);
    perform freshness.define_not_before(name);
    perform freshness.define_subscription_trigger();
    perform freshness.define_claims();
    perform freshness.define_end_plainly();
    perform freshness.release_unreadable(name);
    perform freshness.detach_data_triggers(name, v_table);
    perform freshness.attach_data_triggers(name) where triggers;
    return v_row;
end
$$;

comment on function freshness.register_data_type is
    'Adds a data type to the registry, or changes it; doing it twice changes nothing. data_table: schema-qualified'
    ' name; ttl: how long a row stays fresh; symbol_column: null for a global table; refresh_ahead: an interval, or'
    ' auto; write_mode: upsert, append or replace; triggers => false leaves the data table without ours. FR002 names a'
    ' table, column, time zone, function or unique index that does not exist, and a name, time or number that makes no'
    ' sense.';
-- <<<

-- >>> sql/245_unregister_data_type.sql
create function freshness.unregister_data_type(name text)
returns boolean
language plpgsql
set search_path = pg_temp
set client_min_messages = warning
as $$
#variable_conflict use_variable
begin
    delete from freshness.data_types as t where t.name = name;
    if not found then
        return false;
    end if;
    delete from freshness.watches as w where w.data_type = name;
    delete from freshness.pulls as p where p.data_type = name;
    delete from freshness.jobs as j where j.data_type = name;
    execute format('drop function if exists freshness.%I(text[], timestamptz[])', 'look_' || name);
    execute format(
        'drop function if exists freshness.%I(text[], bigint[], text[], text[], bigint[], integer[])', 'ends_' || name
    );
    execute format('drop function if exists freshness.%I(text[])', 'not_before_' || name);
    perform freshness.detach_data_triggers(name);
    execute format('drop function if exists freshness.%I()', 'changed_' || name);
    perform freshness.define_subscription_trigger();
    perform freshness.define_claims();
    perform freshness.define_end_plainly();
    return true;
end
$$;

comment on function freshness.unregister_data_type(text) is
    'Removes a data type with its watches and jobs, and its triggers from the table. The data stays. False when there'
    ' was none. A refresh that is running ends without writing.';
-- <<<

-- >>> sql/248_check_words.sql
-- The registry's own constraints stand behind this; to whoever registers a data type they say too little.
create function freshness.check_words(
    p_name text, p_write_mode text, p_priority integer, p_max_attempts integer, p_calls_per_refresh integer
)
returns void
language plpgsql
immutable
set search_path = pg_temp
as $$
declare
    v_wrong text[] := case
        when (p_name ~ '^[A-Za-z][A-Za-z0-9_-]{0,43}$') is not true then array[
            'name is ' || coalesce(quote_literal(p_name), 'null'),
            'A name has up to 44 letters, digits, ''_'' and ''-'', and begins with a letter.'
        ]
        when (p_write_mode in ('upsert', 'append', 'replace')) is not true then array[
            'write_mode is ' || coalesce(quote_literal(p_write_mode), 'null'),
            'Pass ''upsert'', ''append'' or ''replace''.'
        ]
        when (p_priority between 0 and 9) is not true then array[
            'priority is ' || coalesce(p_priority::text, 'null'), 'Pass 0 to 9; higher is more urgent.'
        ]
        when (p_max_attempts between 1 and 32767) is not true then array[
            'max_attempts is ' || coalesce(p_max_attempts::text, 'null'), 'Pass 1 to 32767.'
        ]
        when (p_calls_per_refresh between 1 and 32767) is not true then array[
            'calls_per_refresh is ' || coalesce(p_calls_per_refresh::text, 'null'), 'Pass 1 to 32767.'
        ]
    end;
begin
    if v_wrong is not null then
        raise exception using errcode = 'FR002', message = v_wrong[1], hint = v_wrong[2];
    end if;
end
$$;

comment on function freshness.check_words(text, text, integer, integer, integer) is
    'Refuses with FR002 a name, write mode or number that a data type cannot have, and says what it can.';
-- <<<

-- >>> sql/248_refuse_costs.sql
-- What can never be allowed would wait for ever, and whatever comes after it in its source as well.
create function freshness.refuse_costs(p_source text, p_calls integer)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_most integer := (
        select least(s.calls_per_minute, s.burst, s.calls_in_flight) from freshness.sources as s where s.name = p_source
    );
begin
    if p_calls > v_most then
        raise exception using errcode = 'FR002',
            message = format('a refresh makes %s calls, and source %s allows %s at most', p_calls, p_source, v_most),
            hint = 'Pass calls_per_refresh within calls_per_minute, burst and calls_in_flight of the source.';
    end if;
end
$$;

comment on function freshness.refuse_costs(text, integer) is
    'Raises FR002 for a refresh that makes more calls than one of its source''s limits allows.';
-- <<<

-- >>> sql/250_check_data_type.sql
-- What a row of the registry must hold, whoever writes it. Errors say what to do.

create function freshness.read_interval(p_text text, p_name text)
returns interval
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return p_text::interval;
exception
    when data_exception then
        raise exception using errcode = 'FR002',
            message = format('%s is no interval: %L', p_name, p_text),
            hint = 'Pass an interval, such as ''5 seconds'''
            || case when p_name = 'refresh_ahead' then ', or ''auto''.' else '.' end;
end
$$;

comment on function freshness.read_interval(text, text) is 'An interval from text; FR002 when it is none.';

create function freshness.refuse(p_name text, p_value interval, p_rule text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    raise exception using errcode = 'FR002',
        message = format('%s is %s', p_name, coalesce(p_value::text, 'null')),
        hint = format('Pass an interval %s.', p_rule);
end
$$;

comment on function freshness.refuse(text, interval, text) is 'Raises FR002 for a time that a data type cannot have.';

create function freshness.check_data_type()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
begin
    if tg_op = 'UPDATE' and new.name <> old.name then
        raise exception using errcode = 'FR002',
            message = format('data type %s cannot be renamed', old.name),
            hint = 'Register it under the new name, and unregister the old one.';
    end if;
    perform freshness.refuse('ttl', new.ttl, 'from 1 second to 100 years')
    where (new.ttl between interval '1 second' and interval '100 years') is not true;
    perform freshness.refuse('refresh_ahead', new.refresh_ahead, 'of 0 or longer, and shorter than the ttl')
    where
        (new.refresh_ahead >= interval '0' and (new.refresh_ahead_is_auto or new.refresh_ahead < new.ttl)) is not true;
    perform freshness.refuse('jitter', new.jitter, 'of 0 or longer') where (new.jitter >= interval '0') is not true;
    perform freshness.refuse('keep_warm', new.keep_warm, 'from 0 to 100 years')
    where (new.keep_warm between interval '0' and interval '100 years') is not true;

    perform freshness.refuse('backoff_first', new.backoff_first, 'from 0.1 seconds to backoff_longest')
    where (new.backoff_first between interval '0.1 seconds' and new.backoff_longest) is false or new.backoff_first is null;
    perform freshness.refuse('backoff_longest', new.backoff_longest, 'of a day at most')
    where (new.backoff_longest <= interval '1 day') is not true;

    perform freshness.refuse_costs(new.source, new.calls_per_refresh);

    -- The list of zones is read from files: only when it is needed.
    if
        (tg_op = 'INSERT' or new.time_zone is distinct from old.time_zone)
        and not exists (select from pg_catalog.pg_timezone_names as z where z.name = new.time_zone)
    then
        raise exception using errcode = 'FR002',
            message = format('time zone %s does not exist', coalesce(quote_literal(new.time_zone), 'null')),
            hint = 'Pass a name from pg_timezone_names, such as ''UTC'' or ''Europe/Berlin''.';
    end if;
    new.look_reads := freshness.find_table_again(new)::text;
    perform freshness.find_timestamp_column(new.data_table, new.timestamp_column);
    perform freshness.find_ttl_column(new.data_table, new.ttl_column);
    new.symbol_is_text := new.symbol_column is not null
        and freshness.find_column(new.data_table, new.symbol_column, 'symbol') in ('text'::regtype, 'varchar'::regtype);
    new.deadline_function := freshness.find_function(
        new.deadline_function, 'timestamptz,interval', 'timestamptz'::regtype, 'deadline'
    );
    new.staleness_function := freshness.find_function(
        new.staleness_function, 'timestamptz,integer', 'boolean'::regtype, 'staleness'
    );
    new.not_before_function := freshness.find_function(
        new.not_before_function, 'text', 'timestamptz'::regtype, 'not_before'
    );
    new.key_columns := case
        when new.write_mode = 'upsert' then freshness.find_key_columns(new.data_table, new.symbol_column)
    end;
    if new.write_mode = 'upsert' and new.key_columns is null then
        raise exception using errcode = 'FR002',
            message = format(
                'table %s has no unique index%s', new.data_table, coalesce(' with column ' || new.symbol_column, '')
            ),
            hint = 'Create one to upsert by, or pass write_mode => ''append'' or ''replace''.';
    end if;
    return new;
end
$$;

comment on function freshness.check_data_type() is
    'Trigger function of the registry: refuses with FR002 what names a table, column, function, time zone or unique'
    ' index that does not exist, and times that make no sense; fills in key_columns.';

-- Not on refresh_ahead alone: what is measured is written with each change of pace.
create trigger check_data_type
before insert or update of
name, data_table, symbol_column, timestamp_column, time_zone, ttl, ttl_column, refresh_ahead_is_auto, jitter, keep_warm,
write_mode, deadline_function, staleness_function, not_before_function, backoff_first, backoff_longest,
source, calls_per_refresh
on freshness.data_types
for each row execute function freshness.check_data_type();
-- <<<

-- >>> sql/255_apply_data_type.sql
-- After a row of the registry was written: its look function is written anew, and its keys go to the inbox. Not into
-- their jobs: the writer's transaction may stay open, and a job that it held could not be finished.

create function freshness.pull_all_keys(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    insert into freshness.pulls (data_type, reason)
    select p_data_type, 'all keys'
    where
        exists (select from freshness.jobs as j where j.data_type = p_data_type)
        or exists (select from freshness.watches as w where w.data_type = p_data_type);
    if found then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
end
$$;

comment on function freshness.pull_all_keys(text) is
    'Leaves one pull for all keys of a data type: the next claims look at them, a slice at a time, and move deadlines'
    ' that came earlier.';

create function freshness.keys_after(p_data_type text, p_symbol text, p_limit integer)
returns text[]
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    -- The least of each by its primary key, so that a slice costs the same however many keys there are.
    return array(
        select k.symbol
        from (
            (
                select j.symbol
                from freshness.jobs as j
                where j.data_type = p_data_type and j.symbol > p_symbol
                order by j.symbol
                limit p_limit
            )
            union
            (
                select distinct w.symbol
                from freshness.watches as w
                where w.data_type = p_data_type and w.symbol > p_symbol
                order by w.symbol
                limit p_limit
            )
        ) as k
        order by k.symbol
        limit p_limit
    );
end
$$;

comment on function freshness.keys_after(text, text, integer) is
    'The next keys of a data type after a symbol, in order: those that have a job or a watch.';

create function freshness.apply_data_type()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
declare
    -- Taken care of elsewhere, or of no consequence for a deadline.
    v_apart text[] := array[
        'key_columns', 'source', 'priority', 'max_attempts', 'estimated_size_bytes', 'registered_at', 'write_mode',
        'look_reads', 'symbol_is_text', 'calls_per_refresh', 'backoff_first', 'backoff_longest'
    ];
begin
    if tg_op = 'UPDATE' then
        -- A measured refresh_ahead counts from each key's next look.
        if old.refresh_ahead_is_auto and new.refresh_ahead_is_auto then
            v_apart := v_apart || array['refresh_ahead'];
        end if;
        if to_jsonb(old) - v_apart = to_jsonb(new) - v_apart then
            return null;
        end if;
    end if;
    perform freshness.define_look(new.name);
    perform freshness.define_ends(new.name);
    perform freshness.define_data_trigger(new.name);
    perform freshness.renew_update_trigger(old, new) where tg_op = 'UPDATE';
    perform freshness.define_not_before(new.name);
    perform freshness.define_subscription_trigger();
    perform freshness.define_claims();
    perform freshness.define_end_plainly();
    perform freshness.pull_all_keys(new.name);
    return null;
end
$$;

comment on function freshness.apply_data_type() is
    'Trigger function of the registry: what a changed row means for its look function and its keys.';

create trigger apply_data_type
after insert or update on freshness.data_types
for each row execute function freshness.apply_data_type();
-- <<<

-- >>> sql/260_renew_look.sql
-- A data table that was renamed or changed under us: its look function was written for what it was before.

create function freshness.renew_look(p_data_type text)
returns text
language plpgsql
set search_path = pg_temp
as $$
begin
    perform freshness.define_look(p_data_type);
    perform freshness.define_ends(p_data_type);
    perform freshness.define_data_trigger(p_data_type);
    perform freshness.define_subscription_trigger(p_waits => false);
    perform freshness.define_claims(p_waits => false);
    perform freshness.define_end_plainly(p_waits => false);
    return null;
exception
    when others then
        return sqlstate || ' ' || sqlerrm;
end
$$;

comment on function freshness.renew_look(text) is
    'Writes a data type''s look function anew if its table has changed. Returns why it cannot be written, or null.';

create function freshness.release_unreadable(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.jobs as j
    set state = 'scheduled', not_before = null, last_error = null, run_at = least(j.run_at, clock_timestamp())
    where
        j.data_type = p_data_type
        and j.symbol in (
            select f.symbol
            from freshness.jobs as f
            join freshness.data_types as t on t.name = f.data_type
            where f.data_type = p_data_type and f.state = 'failed' and f.attempts < t.max_attempts
            for update of f skip locked
        );
    if found then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
end
$$;

comment on function freshness.release_unreadable(text) is
    'Makes due the keys that were set aside because they could not be looked at, not those whose fetches failed.';
-- <<<

-- >>> sql/300_wake.sql
-- Called after the statement that wrote the job, as a statement of its own: so whoever writes has a transaction id
-- before this reads who is asleep, and a worker that is just falling asleep waits for it (freshness.settle). Proof and
-- costs: docs/waking.md.
create function freshness.wake(p_data_type text, p_run_at timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_channel text;
    v_asleep_until timestamptz;
    v_listener integer;
begin
    -- Every worker looks at the latest half a minute after its last look: no signal for what is further away.
    if p_run_at > clock_timestamp() + interval '35 seconds' then
        return;
    elsif current_setting('transaction_isolation') <> 'read committed' then
        -- What this transaction sees may be old: tell all.
        perform pg_notify('freshness_work', p_run_at::text);
        return;
    end if;

    -- The earliest sleeper keeps the time for all. One that is overdue is awake, and looks before it sleeps again; one
    -- that is overdue for long, or has not looked for long, is dead.
    select s.channel, s.asleep_until, s.listener into v_channel, v_asleep_until, v_listener
    from freshness.sleepers as s
    where
        p_data_type = any (s.data_types)
        and s.asleep_until > clock_timestamp() - interval '2 seconds'
        and s.looked_at > clock_timestamp() - interval '65 seconds'
    order by s.asleep_until
    limit 1;

    -- Mostly nobody sleeps that long: a statement of its own, since the rest costs as much again just to be set up.
    if (v_asleep_until > p_run_at) is not true then
        return;
    end if;

    -- Whoever found the source's budget used up wakes when it opens again.
    if
        not exists (
            select
            from freshness.data_types as t
            join freshness.sources as s on s.name = t.source
            where t.name = p_data_type and s.opens_at > greatest(p_run_at, clock_timestamp())
        )
    then
        -- Asked only now, and of this one only: it costs more than all else here. What is told to the dead is lost.
        if not exists (select from pg_catalog.pg_stat_get_activity(v_listener)) then
            select s.channel into v_channel
            from freshness.sleepers as s
            where
                p_data_type = any (s.data_types)
                and s.asleep_until > greatest(p_run_at, clock_timestamp() - interval '2 seconds')
                and s.looked_at > clock_timestamp() - interval '65 seconds'
                and exists (select from pg_catalog.pg_stat_get_activity(s.listener))
            order by s.asleep_until
            limit 1;
        end if;
        perform pg_notify(v_channel, p_run_at::text) where v_channel is not null;
    end if;
end
$$;

comment on function freshness.wake(text, timestamptz) is
    'Tells the sleeper that keeps the time for a data type, once this transaction commits, that something is due at'
    ' p_run_at; nobody when it wakes by then anyway, or when all are awake. The payload is that moment. A hint only:'
    ' whoever misses it looks within half a minute.';
-- <<<

-- >>> sql/302_hand_over.sql
-- Whoever writes a job that is due, and finds a worker asleep that can run it, hands it over: it sets the job running
-- for that worker in its own transaction, and tells it so. The worker hears of it when that is committed, and begins
-- without a claim. Why no job is lost by it, and none is fetched twice: docs/waking.md.
create function freshness.hand_over(p_data_type text, p_symbol text, p_viewers integer default 0)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_sleeper record;
    v_job record;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        perform freshness.wake(p_data_type, v_now);
        return;
    end if;

    -- As freshness.wake chooses.
    select s.channel, s.worker, s.asleep_until, s.listener into v_sleeper
    from freshness.sleepers as s
    where
        p_data_type = any (s.data_types)
        and s.asleep_until > v_now - interval '2 seconds'
        and s.looked_at > v_now - interval '65 seconds'
    order by s.asleep_until
    limit 1;
    if (v_sleeper.asleep_until > v_now) is not true then
        return;
    end if;

    -- One for each transaction, and one transaction at a time for each worker: nobody knows how many slots it has left.
    if
        coalesce(current_setting('freshness.has_handed_over', true), '') = ''
        and exists (
            select
            from freshness.workers as w
            cross join freshness.data_types as t
            where
                w.id = v_sleeper.worker and w.takes_jobs and t.name = p_data_type
                and num_nonnulls(t.source, t.staleness_function, t.not_before_function) = 0
                and t.data_table::text = t.look_reads
        )
        and exists (select from pg_catalog.pg_stat_get_activity(v_sleeper.listener))
        and pg_try_advisory_xact_lock(hashtext('freshness.hand_over'), (v_sleeper.worker % 2147483647)::integer)
    then
        update freshness.jobs as j
        set
            state = 'running', run_at = 'infinity', worker = v_sleeper.worker, fence = nextval('freshness.fences'),
            started_at = clock_timestamp(), waited = greatest(date_part('epoch', clock_timestamp() - j.due_at), 0),
            calls = 0, unwatched_at = null, viewers = greatest(j.viewers, p_viewers)
        where
            j.data_type = p_data_type and j.symbol = p_symbol and j.state = 'scheduled'
            and j.run_at <= v_now and (j.not_before <= v_now) is not false
            -- A notification has room for 8,000 bytes.
            and coalesce(octet_length(j.validators::text), 0) < 5000
            -- A job that others know (xmax) may have been fetched while the caller waited for it, after its look.
            and (
                j.required_as_of is not null or j.xmax = '0'::xid
                or exists (
                    select from freshness.look(p_data_type, array[p_symbol]) as l
                    where (l.refresh_at > v_now) is not true
                )
            )
        returning j.fence, j.started_at, j.stored_at, j.attempts, j.waited, j.alone,
            case when j.verified_at is not null then j.validators end as validators
        into v_job;
    end if;
    if v_job is null then
        perform freshness.wake(p_data_type, v_now);
        return;
    end if;

    if exists (
        select from freshness.listeners as l
        where l.data_type = p_data_type and l.symbol = p_symbol and l.is_told_of_starts
    ) then
        insert into freshness.events (kind, data_type, symbol, worker, fence, waited)
        values ('refreshing', p_data_type, p_symbol, v_sleeper.worker, v_job.fence, v_job.waited);
    end if;
    perform set_config('freshness.has_handed_over', 'yes', true);
    perform pg_notify(
        v_sleeper.channel,
        json_build_object(
            'worker', v_sleeper.worker, 'data_type', p_data_type, 'symbol', p_symbol, 'fence', v_job.fence,
            'started_at', v_job.started_at, 'stored_at', v_job.stored_at, 'attempts', v_job.attempts,
            'validators', v_job.validators, 'alone', v_job.alone,
            'others_sleep', exists (select from freshness.sleepers as s where s.channel <> v_sleeper.channel)
        )::text
    );
end
$$;

comment on function freshness.hand_over(text, text, integer) is
    'Hands a job that is due over to the sleeper that keeps the time, if that is plain: it runs for that worker, which'
    ' hears of it once this transaction commits. Otherwise as freshness.wake. Call it in a statement of its own, for a'
    ' job that this transaction has locked: it locks it. p_viewers: so many watch it at least.';
-- <<<

-- >>> sql/305_live_watches.sql
create function freshness.live_watches(p_data_type text, p_symbols text[])
returns table (symbol text, viewers integer)
language plpgsql
stable
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
begin
    -- Realtime can be switched off, and then its table is not there.
    if to_regclass('realtime.subscription') is null then
        return query
        select w.symbol, count(*)::integer
        from freshness.watches as w
        where w.data_type = p_data_type and w.symbol = any (p_symbols) and w.lease_until > clock_timestamp()
        group by w.symbol;
    else
        -- Key by key and watch by watch, by their indexes: whatever the planner takes the tables for.
        return query
        select k.symbol, v.viewers
        from (select distinct s from unnest(p_symbols) as s) as k (symbol)
        cross join lateral (
            select count(*)::integer as viewers
            from freshness.watches as w
            where
                w.data_type = p_data_type
                and w.symbol = k.symbol
                and (
                    w.lease_until > clock_timestamp()
                    or (
                        select true from realtime.subscription as s
                        where s.id = w.subscription_row and s.subscription_id = w.subscription_id
                    )
                )
        ) as v
        where v.viewers > 0;
    end if;
end
$$;

comment on function freshness.live_watches(text, text[]) is
    'Those of the symbols that somebody watches now, with how many: subscriptions that still exist in'
    ' realtime.subscription, and leases that have not ended.';
-- <<<

-- >>> sql/310_schedule.sql
-- After somebody's interest in keys was recorded: each gets its job, due now if stale, else at its deadline. This runs
-- in other people's transactions, so it never touches a job that exists; it leaves a pull, which is folded once they
-- commit. A pull even when the job looks right: a claim may be dropping that job at this very moment, not seeing the
-- new watch.
create function freshness.schedule(p_data_type text, p_symbols text[], p_priority integer default null)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_run_at timestamptz;
    v_added integer;
    v_is_locked boolean;
begin
    with looked as materialized (
        select
            l.*,
            j.symbol is not null as known,
            coalesce(p_priority, t.priority)::smallint as priority,
            greatest(l.refresh_at, clock_timestamp()) as run_at,
            j.state <> 'running' and j.run_at > clock_timestamp() as waits,
            -- It may be going away at this very moment: then only the pull is left of it.
            j.state <> 'running' and j.due_at <= clock_timestamp() as is_due
        from freshness.data_types as t
        cross join lateral freshness.look(t.name, p_symbols) as l
        left join lateral (
            select o.* from freshness.jobs as o where o.data_type = t.name and o.symbol = l.symbol limit 1
        ) as j on true
        where t.name = p_data_type
    ),

    added as (
        insert into freshness.jobs (data_type, symbol, priority, run_at, stored_at, fresh_until, estimated_size_bytes)
        select p_data_type, l.symbol, l.priority, l.run_at, l.stored_at, l.fresh_until, t.estimated_size_bytes
        from looked as l
        join freshness.data_types as t on t.name = p_data_type
        where not l.known
        -- One order for all: two transactions that add the same keys cannot wait for each other in a circle.
        order by l.symbol
        on conflict do nothing
        returning symbol, run_at
    ),

    pulled as (
        insert into freshness.pulls (data_type, symbol, priority, reason)
        select p_data_type, l.symbol, p_priority, 'watched'
        from looked as l
        where l.symbol not in (select a.symbol from added as a)
    )

    select
        least(
            (select min(a.run_at) from added as a),
            (select min(l.run_at) from looked as l where l.waits),
            (select min(clock_timestamp()) from looked as l where l.is_due)
        ),
        (select count(*) from added as a),
        (select bool_or(l.problem like '55P03%') from looked as l)
    into v_run_at, v_added, v_is_locked;

    -- One wait for a data table's lock is enough: the caller leaves the rest to the next claim.
    if v_is_locked then
        raise exception using errcode = 'lock_not_available', message = 'the table of ' || p_data_type || ' is locked';
    end if;

    -- A job that this transaction has made, and nobody else sees, can be handed over.
    if v_added = 1 and cardinality(p_symbols) = 1 and v_run_at <= clock_timestamp() then
        perform freshness.hand_over(p_data_type, p_symbols[1], 1);
    elsif v_run_at is not null then
        perform freshness.wake(p_data_type, v_run_at);
    end if;
end
$$;

comment on function freshness.schedule(text, text[], integer) is
    'Gives each key (canonical symbols) a job if it has none: due now if its data is stale or missing, else when it'
    ' goes stale. Keys that have one get a pull. Wakes a worker when one is due within half a minute.';
-- <<<

-- >>> sql/315_request.sql
create function freshness.request(
    p_data_type text,
    p_symbols text[],
    p_refresh_now boolean default false,
    p_priority integer default null,
    p_estimated_size_bytes bigint default null
)
returns table (symbol text, queued boolean)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_type freshness.data_types;
    v_now timestamptz := clock_timestamp();
    v_priority smallint;
    v_symbol text;
    v_changed integer := 0;
begin
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    if not found then
        raise exception using
            errcode = 'FR001',
            message = format('data type %s is not registered', coalesce(quote_literal(p_data_type), 'null')),
            hint = 'Register it with freshness.register_data_type.';
    end if;
    v_priority := least(greatest(coalesce(p_priority, v_type.priority), 0), 9);

    for v_symbol in
        with wanted as materialized (
            select l.symbol, l.stored_at, l.fresh_until
            from freshness.look(
                p_data_type,
                array(
                    select distinct c.symbol
                    from freshness.canonical_symbols(p_data_type, p_symbols) as c
                    where c.symbol is not null
                )
            ) as l
            where p_refresh_now or l.refresh_at is null or l.refresh_at <= v_now
        ),

        changed as (
            insert into freshness.jobs as j (
                data_type, symbol, priority, run_at, requested_at, required_as_of,
                stored_at, fresh_until, estimated_size_bytes
            )
            select
                p_data_type, w.symbol, v_priority, v_now, v_now, case when p_refresh_now then v_now end,
                w.stored_at, w.fresh_until, coalesce(p_estimated_size_bytes, v_type.estimated_size_bytes)
            from wanted as w
            order by w.symbol
            on conflict (data_type, symbol) do update set
                run_at = case when j.state = 'running' then j.run_at else least(j.run_at, excluded.run_at) end,
                requested_at = excluded.requested_at,
                -- Read here, with the row locked: later than the start of any fetch that is under way.
                required_as_of = case when p_refresh_now then clock_timestamp() else j.required_as_of end,
                priority = greatest(j.priority, excluded.priority),
                unwatched_at = null,
                -- As just seen. Validators are those of rows that are still stored.
                stored_at = case when j.state = 'running' then j.stored_at else excluded.stored_at end,
                fresh_until = case when j.state = 'running' then j.fresh_until else excluded.fresh_until end,
                verified_at = case
                    when
                        j.state = 'running'
                        or coalesce(excluded.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity')
                        then j.verified_at
                end
            where
                p_refresh_now
                or j.requested_at is null
                or j.priority < excluded.priority
                or (j.state <> 'running' and j.run_at > excluded.run_at)
            returning j.symbol
        )

        select c.symbol from changed as c
    loop
        v_changed := v_changed + 1;
        symbol := v_symbol;
        queued := true;
        return next;
    end loop;

    if v_changed > 0 then
        perform freshness.tell_queued(p_data_type, p_symbols, v_now);
        if v_changed = 1 and cardinality(p_symbols) = 1 then
            perform freshness.hand_over(p_data_type, v_symbol);
        else
            perform freshness.wake(p_data_type, v_now);
        end if;
    end if;
end
$$;

comment on function freshness.request(text, text[], boolean, integer, bigint) is
    'Asks for keys of one data type. p_refresh_now false: "make sure it is fresh"; nothing happens to fresh keys, and a'
    ' fetch in flight satisfies it. True: "refresh now"; only a fetch begun after this commits does. p_priority 0 to 9.'
    ' Returns the keys whose job was made or moved; backoff is not shortened. FR001: data type not registered.';
-- <<<

-- >>> sql/320_read_subscriptions.sql
-- Which keys a Realtime subscription watches. Filters are read by name through jsonb: their type changed three times
-- in a year, and reads by ordinal or by text broke.
create function freshness.read_subscriptions(p_rows bigint[])
returns table (subscription_row bigint, subscription_id uuid, data_type text, symbol text)
language plpgsql
stable
rows 10
set search_path = pg_temp
-- Thousands are read where the planner sees ten: never all with all. One plan serves one row and all of them.
set enable_nestloop = off
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    -- The limit makes it a probe by primary key for each row, whatever the planner takes the table for.
    with slice as materialized (
        select s.*
        from (select distinct n from unnest(p_rows) as n) as r (id)
        cross join lateral (
            select o.id, o.subscription_id, o.entity, o.filters
            from realtime.subscription as o
            where o.id = r.id
            limit 1
        ) as s
    ),

    tables as materialized (
        select e.entity, t.name, t.symbol_column
        from (select distinct s.entity from slice as s) as e
        join freshness.data_types as t on t.data_table in (e.entity, pg_catalog.pg_partition_root(e.entity))
    ),

    subscriptions as materialized (
        select
            s.id, s.subscription_id, t.name, t.symbol_column, to_jsonb(s.filters) as filters,
            cardinality(s.filters) = 1 as is_simple
        from slice as s
        join tables as t on t.entity = s.entity
    ),

    -- Nearly all have one filter with one symbol, and are read in a third of the time.
    simple as materialized (
        select s.id, s.subscription_id, s.name, case
            when
                s.filters #>> '{0,column_name}' = s.symbol_column and s.filters #>> '{0,op}' = 'eq'
                and not coalesce((s.filters #>> '{0,negate}')::boolean, false)
                then s.filters #>> '{0,value}'
        end as value
        from subscriptions as s
        where s.is_simple and s.symbol_column is not null and s.filters #>> '{0,op}' <> 'in'
    ),

    -- Only eq and in, not negated, say which key is watched; other filters narrow what is shown of it. Written out
    -- here, since a function with a search path of its own is a call for each subscription.
    asked as materialized (
        select s.id, s.name, v.value, dense_rank() over (partition by s.id, s.name order by f.ordinal) as place
        from subscriptions as s
        cross join lateral jsonb_array_elements(s.filters) with ordinality as f (filter, ordinal)
        cross join lateral unnest(
            case f.filter ->> 'op'
                when 'eq' then array[f.filter ->> 'value']
                when 'in' then (f.filter ->> 'value')::text[]
            end
        ) as v (value)
        where
            (not s.is_simple or s.filters #>> '{0,op}' = 'in')
            and f.filter ->> 'column_name' = s.symbol_column
            and f.filter ->> 'op' in ('eq', 'in')
            and not coalesce((f.filter ->> 'negate')::boolean, false)
    ),

    canonical as materialized (
        select a.name, c.given, c.symbol
        from (
            select d.name, array_agg(d.value) as given
            from (select k.name, k.value from asked as k union select i.name, i.value from simple as i) as d
            where d.value is not null
            group by d.name
        ) as a
        cross join lateral freshness.canonical_symbols(a.name, a.given) as c
    ),

    -- Several filters on the symbol column all have to hold.
    watched as (
        select a.id, a.name, c.symbol
        from (select a.*, max(a.place) over (partition by a.id, a.name) as filters from asked as a) as a
        join canonical as c on c.name = a.name and c.given = a.value and c.symbol is not null
        group by a.id, a.name, c.symbol, a.filters
        having count(distinct a.place) = a.filters
    )

    select s.id, s.subscription_id, s.name, case when s.symbol_column is null then 'GLOBAL' else w.symbol end
    from subscriptions as s
    left join watched as w on w.id = s.id and w.name = s.name
    where s.symbol_column is null or not s.is_simple or s.filters #>> '{0,op}' = 'in'
    union all
    select i.id, i.subscription_id, i.name, c.symbol
    from simple as i
    left join canonical as c on c.name = i.name and c.given = i.value;
end
$$;

comment on function freshness.read_subscriptions(bigint[]) is
    'Part of freshness.subscribed_keys: one of the rows may spoil the whole statement.';
-- <<<

-- >>> sql/322_subscribed_keys.sql
-- A subscription that spoils the reading of all (a filter that cannot be read, a type whose function raises) concerns
-- its own table, or itself: it is found by reading table by table, and then halves.
create function freshness.subscribed_keys(p_rows bigint[])
returns table (subscription_row bigint, subscription_id uuid, data_type text, symbol text, problem text)
language plpgsql
stable
rows 10
set search_path = pg_temp
as $$
declare
    v_problem text;
    v_tables integer;
begin
    return query select r.*, null::text from freshness.read_subscriptions(p_rows) as r;
exception
    when others or assert_failure then
        -- Nobody's row is to blame: a lock, the server, our own tables.
        if sqlstate ~ '^(40|42P01|53|55|57)' then
            raise;
        end if;
        v_problem := sqlstate || ' ' || sqlerrm;
        v_tables := (select count(distinct s.entity) from realtime.subscription as s where s.id = any (p_rows));
        if v_tables > 1 or (cardinality(p_rows) > 1 and sqlstate !~ '^42') then
            return query
            select k.*
            from (
                select array_agg(s.id) as rows
                from (
                    select o.id, o.entity, ntile(2) over (partition by o.entity order by o.id) as half
                    from realtime.subscription as o
                    where o.id = any (p_rows)
                ) as s
                group by s.entity, case when v_tables = 1 then s.half end
            ) as p
            cross join lateral freshness.subscribed_keys(p.rows) as k;
            return;
        end if;
        return query
        select s.id, s.subscription_id, null::text, null::text, v_problem
        from realtime.subscription as s
        where s.id = any (p_rows);
end
$$;

comment on function freshness.subscribed_keys(bigint[]) is
    'Keys that these rows of realtime.subscription watch. A symbol of null: on a registered table, but names no key'
    ' (no usable filter on the symbol column, or no valid symbol). problem: why it could not be read, and then nothing'
    ' else is known. Rows on other tables are left out.';
-- <<<

-- >>> sql/325_watch_subscriptions.sql
create function freshness.record_watches(p_rows bigint[])
returns table (data_type text, symbol text)
language plpgsql
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
begin
    return query
    with subscribed as materialized (
        select * from freshness.subscribed_keys(p_rows)
    ),

    -- A subscription that cannot be read, or names nothing, is told of once and left alone.
    passed_over as (
        insert into freshness.events (kind, data_type, message)
        select
            case when s.problem is null then 'ignored' else 'error' end, s.data_type,
            'subscription ' || s.subscription_row || coalesce(' cannot be read: ' || s.problem, ' names no valid symbol')
        from subscribed as s
        where s.symbol is null
    )

    insert into freshness.watches as w (data_type, symbol, watcher, subscription_row, subscription_id)
    select s.data_type, s.symbol, 'realtime:' || s.subscription_row, s.subscription_row, s.subscription_id
    from subscribed as s
    where s.symbol is not null
    order by s.data_type, s.symbol
    on conflict (data_type, symbol, watcher) do update set subscription_id = excluded.subscription_id
    where w.subscription_id <> excluded.subscription_id
    returning w.data_type, w.symbol;
end
$$;

comment on function freshness.record_watches(bigint[]) is
    'Records the watches of these rows of realtime.subscription, and returns the keys that are newly watched. What'
    ' names no key becomes an event ''ignored'', and what cannot be read an event ''error''.';

create function freshness.watch_subscriptions(p_rows bigint[])
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_type record;
    v_count integer := 0;
begin
    for v_type in
        select w.data_type, array_agg(distinct w.symbol) as symbols
        from freshness.record_watches(p_rows) as w
        group by w.data_type
        order by w.data_type
    loop
        perform freshness.schedule(v_type.data_type, v_type.symbols);
        v_count := v_count + cardinality(v_type.symbols);
    end loop;
    return v_count;
end
$$;

comment on function freshness.watch_subscriptions(bigint[]) is
    'freshness.record_watches, and schedules the keys. Returns the number of keys that are newly watched.';
-- <<<

-- >>> sql/327_watch_later.sql
create function freshness.watch_later(p_rows bigint[], p_reason text, p_try_now boolean)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if p_try_now then
        begin
            perform freshness.watch_subscriptions(p_rows);
            return;
        exception
            when others or assert_failure then
                p_reason := sqlstate || ' ' || sqlerrm;
        end;
    end if;
    insert into freshness.pulls (subscription_row, reason) select r.id, p_reason from unnest(p_rows) as r (id);
    perform pg_notify('freshness_work', clock_timestamp()::text);
end
$$;

comment on function freshness.watch_later(bigint[], text, boolean) is
    'Leaves pulls for rows of realtime.subscription that could not be read when they were inserted, with the reason,'
    ' and wakes the workers. p_try_now: watch_subscriptions is tried first, which takes care of what is wrong with a'
    ' data table.';
-- <<<

-- >>> sql/328_watch_subscribed_key.sql
-- What the trigger on realtime.subscription does for a table that is registered. Written for it, so that its statements
-- stay planned: put together at run time they would be planned for each subscriber, and functions called by a name
-- from the registry cost as much.
--
-- Most keys are fresh when somebody subscribes to them. Then nothing has to happen soon, and the subscriber waits for a
-- line in the inbox only. Such lines wait five seconds for others; the next claim after that, half a minute later at
-- most, watches the keys and gives them their jobs.
create function freshness.watch_subscribed_key(p_type freshness.data_types, p_is_only boolean)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format(
        $body$
        symbol := %2$s;
        -- The registry has the last word on what this table holds.
        select
            s.ttl, s.refresh_ahead, s.jitter, s.priority, s.estimated_size_bytes,
            o.symbol as job, o.state, o.run_at, o.due_at, o.stored_at, o.verified_at
        into t
        from freshness.data_types as s
        left join freshness.jobs as o on o.data_type = %1$L and o.symbol = k.symbol
        where s.name = %1$L and s.data_table = v_row.entity;
        if not found or k.symbol is null then
            perform freshness.watch_subscriptions(array[v_row.id]);
            return null;
        end if;%3$s%4$s
        -- The row's id is new, and so its watch: the long way knows what to do if not.
        insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
        values (%1$L, k.symbol, 'realtime:' || v_row.id, v_row.id, v_row.subscription_id);
        v_run_at := greatest(v_refresh_at, v_now);
        v_is_added := false;
        if t.job is null then
            insert into freshness.jobs (data_type, symbol, priority, run_at, stored_at, fresh_until, estimated_size_bytes)
            values (%1$L, k.symbol, t.priority, v_run_at, v_stored_at, v_fresh_until, t.estimated_size_bytes)
            on conflict do nothing;
            v_is_added := found;
        end if;
        if not v_is_added then
            insert into freshness.pulls (data_type, symbol, reason) values (%1$L, k.symbol, 'watched');
            v_run_at := case
                when t.state = 'running' or (t.run_at <= v_now and t.due_at > v_now) then null
                -- One that is due may be going away at this very moment: then only the pull is left of it.
                when t.due_at <= v_now then v_now
                else v_run_at
            end;
        end if;
        -- Farther moments need nobody to wake, and then the call is saved.
        if v_is_added and v_run_at <= v_now then
            perform freshness.hand_over(%1$L, k.symbol, 1);
        elsif v_run_at < v_now + interval '1 minute' then
            perform freshness.wake(%1$L, v_run_at);
        end if;$body$,
        p_type.name,
        case
            when p_type.symbol_column is null then '''GLOBAL'''
            else format(
                'case when v_row.filter ->> ''column_name'' = %L and v_row.filter ->> ''op'' = ''eq'''
                ' and coalesce(v_row.filter ->> ''negate'', ''false'') = ''false'''
                ' and length(v_row.filter ->> ''value'') between 1 and 200 then v_row.filter ->> ''value'' end',
                p_type.symbol_column
            )
        end,
        freshness.look_at_key(p_type),
        -- A line of the inbox stands for all data types of its table.
        case when p_is_only then e'
        if v_refresh_at > v_now + interval ''1 minute'' then
            insert into freshness.pulls (due_at, subscription_row, reason)
            values (
                -- A job that is due soon may be about to go away, since nobody has watched its key.
                v_now + case when t.due_at <= v_now + interval ''10 seconds'' then 0 else 5 end * interval ''1 second'',
                v_row.id, ''fresh''
            );
            return null;
        end if;' end
    );
end
$define$;

comment on function freshness.watch_subscribed_key(freshness.data_types, boolean) is
    'PL/pgSQL that watches the key of one new subscription, v_row, and gives it its job. Leaves the trigger by'
    ' watch_subscriptions when the filter names anything but one key, and by a pull when the key is fresh for a minute'
    ' and this is the only data type of its table.';
-- <<<

-- >>> sql/329_watch_subscribed_keys.sql
create function freshness.watch_subscribed_keys()
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_table record;
    v_type freshness.data_types;
    v_body text := '';
    v_keys text;
begin
    for v_table in
        select t.data_table, array_agg(t order by t.name) as types
        from freshness.data_types as t
        join pg_catalog.pg_class as c on c.oid = t.data_table
        group by t.data_table
        -- Other symbols have to be cast.
        having bool_and(t.symbol_column is null or t.symbol_is_text)
        order by min(t.name)
        -- A session compiles all of it at its first subscriber.
        limit 50
    loop
        begin
            v_keys := '';
            foreach v_type in array v_table.types loop
                v_keys := v_keys || freshness.watch_subscribed_key(v_type, cardinality(v_table.types) = 1);
            end loop;
            v_body := v_body || format(
                e'\n    if v_row.data_table = %L then%s\n        return null;\n    end if;',
                v_table.data_table::text, v_keys
            );
        exception
            -- A column is gone: the long way knows what to do.
            when others then
                null;
        end;
    end loop;
    return v_body;
end
$$;

comment on function freshness.watch_subscribed_keys() is
    'PL/pgSQL for subscriptions to each registered table, 50 at most: the rest goes by watch_subscriptions.';
-- <<<

-- >>> sql/330_subscription_trigger.sql
-- The way in without any code in the app. It runs inside Realtime's transaction: whatever goes wrong, the subscription
-- is stored, within 300 ms, and the reason is on record.
--
-- Nearly every statement brings one subscription with one filter "symbol=eq.AAPL". Its key goes by a short way, since
-- the subscriber waits: no set, and no function. All others go by watch_subscriptions.
create function freshness.define_subscription_trigger(p_waits boolean default true)
returns boolean
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_template constant text := $body$
<<k>>
declare
    v_row record;
    v_is_one boolean := false;
    symbol text;
    t record;
    v_now timestamptz;
    v_stored_at timestamptz;
    v_fresh_until timestamptz;
    v_refresh_at timestamptz;
    v_run_at timestamptz;
    v_is_added boolean;
    v_reason text;
begin
    select
        i.id, i.subscription_id, i.entity, i.entity::text as data_table,
        case when cardinality(i.filters) = 1 then to_jsonb(i.filters[1]) end as filter,
        exists (select from inserted as o offset 1) as are_many
    into v_row
    from inserted as i
    limit 1;
    v_is_one := v_row.are_many is false;
    if v_row.are_many then
        perform freshness.watch_subscriptions(array(select i.id from inserted as i));
        return null;
    end if;%s
    -- Anything else, such as a table that was renamed, a partition, or symbols of another type.
    perform
    from freshness.data_types as d
    where d.data_table in (v_row.entity, pg_catalog.pg_partition_root(v_row.entity));
    if found then
        perform freshness.watch_subscriptions(array[v_row.id]);
    end if;
    return null;
exception
    when others or assert_failure then
        v_reason := sqlstate || ' ' || sqlerrm;
        begin
            perform freshness.watch_later(
                array(select i.id from inserted as i), v_reason, v_is_one and sqlstate <> '55P03'
            );
        exception
            when others or assert_failure then
                raise warning 'freshness: a subscription was not noticed: %%', v_reason
                    using hint = 'The sweep finds it if the tables of schema freshness are there;'
                    ' run the migrations if not.';
        end;
        return null;
end
$body$;
begin
    if exists (
        select from pg_catalog.pg_proc as f
        where
            f.oid = to_regprocedure('public.on_realtime_subscription_insert()')
            and f.prosrc = format(v_template, freshness.watch_subscribed_keys())
    ) then
        return false;
    end if;
    -- One at a time, each with what the one before it has registered.
    if p_waits then
        perform pg_advisory_xact_lock(hashtext('freshness.define_subscription_trigger'));
    elsif not pg_try_advisory_xact_lock(hashtext('freshness.define_subscription_trigger')) then
        return false;
    end if;
    -- Plans are kept: one made while a table is small must not read all of it when it has grown. What has no index then
    -- looks dear enough to be compiled.
    execute format(
        'create or replace function public.on_realtime_subscription_insert() returns trigger language plpgsql'
        ' security definer set jit = off set enable_seqscan = off set search_path = pg_temp set lock_timeout = ''100ms'''
        ' as %L; revoke all on function public.on_realtime_subscription_insert() from public',
        format(v_template, freshness.watch_subscribed_keys())
    );
    return true;
end
$define$;

comment on function freshness.define_subscription_trigger(boolean) is
    'Writes the function of our trigger on realtime.subscription for the tables that are registered, if it differs;'
    ' says whether it did. p_waits false: not while somebody else does.';

select freshness.define_subscription_trigger();

comment on function public.on_realtime_subscription_insert() is
    'Trigger function on realtime.subscription, after insert for each statement: watches the keys that new'
    ' subscriptions name. Never fails the insert: what could not be done goes to freshness.pulls, and failing that to'
    ' the server log. Written anew when data types change.';
-- <<<

-- >>> sql/335_attach_subscription_trigger.sql
-- Supabase does not promise that the platform's table may have a trigger: everything works without it, more slowly.
create function freshness.attach_subscription_trigger()
returns boolean
language plpgsql
set search_path = pg_temp
set lock_timeout = '2s'
as $$
begin
    if to_regclass('realtime.subscription') is null then
        raise notice
            'freshness: realtime.subscription is not there; watches come from leases until Realtime is switched on';
        return false;
    end if;
    create or replace trigger on_realtime_subscription_insert_trigger
    after insert on realtime.subscription
    referencing new table as inserted
    for each statement execute function public.on_realtime_subscription_insert();
    return true;
exception
    when others then
        raise warning 'freshness: no trigger on realtime.subscription: %', sqlerrm
            using hint = 'The sweep finds new subscriptions within 5 minutes;'
            ' cards that call on-card-add are not affected.';
        return false;
end
$$;

comment on function freshness.attach_subscription_trigger() is
    'Puts our trigger on realtime.subscription, or puts it back. False when that is not allowed or Realtime is off:'
    ' everything still works, with new subscriptions found by the sweep.';

select freshness.attach_subscription_trigger();
-- <<<

-- >>> sql/340_key_states.sql
create function freshness.key_states(p_data_types text[], p_symbols text[])
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
stable
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    with asked as materialized (
        select k.data_type, k.symbol as given, t.name is not null as known, k.ordinal
        from unnest(p_data_types, p_symbols) with ordinality as k (data_type, symbol, ordinal)
        left join freshness.data_types as t on t.name = k.data_type
    ),

    canonical as materialized (
        select a.data_type, c.given, c.symbol
        from (
            select d.data_type, array_agg(d.given) as given from asked as d where d.known group by d.data_type
        ) as a
        cross join lateral freshness.canonical_symbols(a.data_type, a.given) as c
    ),

    looked as materialized (
        select c.data_type, l.*
        from (
            select d.data_type, array_agg(distinct d.symbol) as symbols
            from canonical as d where d.symbol is not null group by d.data_type
        ) as c
        cross join lateral freshness.look(c.data_type, c.symbols) as l
    )

    select
        a.data_type,
        coalesce(c.symbol, a.given),
        case
            when not a.known then 'unknown_data_type'
            when c.symbol is null then 'invalid_symbol'
            when j.state = 'running' then 'running'
            when l.fresh_until > clock_timestamp() and j.required_as_of is null then 'fresh'
            when j.state = 'failed' or j.not_before > clock_timestamp() then 'failed'
            else 'queued'
        end,
        nullif(l.fresh_until, 'infinity'),
        case
            when j.state = 'running' then j.started_at
            when l.fresh_until > clock_timestamp() then nullif(j.due_at, 'infinity')
            else greatest(least(j.run_at, clock_timestamp()), j.not_before)
        end
    from asked as a
    left join canonical as c on c.data_type = a.data_type and c.given is not distinct from a.given
    left join looked as l on l.data_type = a.data_type and l.symbol = c.symbol
    left join freshness.jobs as j on j.data_type = a.data_type and j.symbol = c.symbol
    order by a.ordinal;
end
$$;

comment on function freshness.key_states(text[], text[]) is
    'State of keys, in the order asked. status: fresh (until fresh_until; null: for ever), queued (due at due_at),'
    ' running (a refresh is under way since due_at), failed (held back until due_at after failing), unknown_data_type,'
    ' invalid_symbol.';
-- <<<

-- >>> sql/345_watch.sql
create function freshness.watch(
    p_data_types text[],
    p_symbols text[],
    p_watcher text,
    p_lease interval default interval '5 minutes',
    p_priority integer default null,
    p_most integer default null
)
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_priority integer := least(greatest(p_priority, 0), 9);
    v_types text[];
    v_symbols text[];
    v_want_a_job boolean[];
    v_some_are_new boolean;
    v_type record;
begin
    if cardinality(p_data_types) is distinct from cardinality(p_symbols) then
        raise exception using errcode = 'FR008', message = 'p_data_types and p_symbols differ in length',
            hint = 'Pass one data type for each symbol.';
    elsif p_lease is null or p_lease <= interval '0' or p_lease > interval '1 day' then
        raise exception using errcode = 'FR008', message = format('lease %s is not between 0 and 1 day', p_lease),
            hint = 'Leases are renewed by calling again; pass a length such as ''5 minutes''.';
    elsif p_watcher is null or length(p_watcher) not between 1 and 200 then
        raise exception using errcode = 'FR008', message = 'the watcher''s name does not have 1 to 200 characters',
            hint = 'Pass a name that is the same at each renewal, such as a user''s id.';
    end if;

    -- A renewal is written at most once in a quarter of the lease. It is found out by reading: "on conflict" would lock
    -- the lease, which is a write too. Of a lease that goes on without a gap the job knows already.
    select
        array_agg(k.data_type), array_agg(k.symbol),
        array_agg(
            (w.lease_until > clock_timestamp() + interval '30 seconds') is not true
            or j.symbol is null or coalesce(j.priority < v_priority, false)
        ),
        bool_or((w.lease_until > clock_timestamp()) is not true)
    into v_types, v_symbols, v_want_a_job, v_some_are_new
    from (
        select distinct a.data_type, c.symbol
        from (
            select g.data_type, array_agg(g.symbol) as symbols
            from unnest(p_data_types, p_symbols) as g (data_type, symbol)
            join freshness.data_types as t on t.name = g.data_type
            group by g.data_type
        ) as a
        cross join lateral freshness.canonical_symbols(a.data_type, a.symbols) as c
        where c.symbol is not null
    ) as k
    left join lateral (
        select o.lease_until from freshness.watches as o
        where o.data_type = k.data_type and o.symbol = k.symbol and o.watcher = p_watcher
        limit 1
    ) as w on true
    left join lateral (
        select o.symbol, o.priority from freshness.jobs as o
        where o.data_type = k.data_type and o.symbol = k.symbol
        limit 1
    ) as j on true
    where (w.lease_until >= clock_timestamp() + p_lease - p_lease / 4) is not true;

    if v_types is not null then
        if v_some_are_new and p_most is not null then
            perform freshness.refuse_too_many(p_watcher, v_types, v_symbols, p_most);
        end if;
        insert into freshness.watches as w (data_type, symbol, watcher, lease_until)
        select k.data_type, k.symbol, p_watcher, clock_timestamp() + p_lease
        from unnest(v_types, v_symbols) as k (data_type, symbol)
        order by k.data_type, k.symbol
        on conflict (data_type, symbol, watcher) do update set lease_until = excluded.lease_until
        where w.lease_until < excluded.lease_until - p_lease / 4;

        for v_type in
            select
                k.data_type, array_agg(k.symbol) as symbols,
                case when v_priority < t.priority then t.priority else v_priority end as priority
            from unnest(v_types, v_symbols, v_want_a_job) as k (data_type, symbol, wants_a_job)
            join freshness.data_types as t on t.name = k.data_type
            where k.wants_a_job
            group by k.data_type, t.priority
            order by k.data_type
        loop
            perform freshness.schedule(v_type.data_type, v_type.symbols, v_type.priority);
        end loop;
    end if;

    return query select * from freshness.key_states(p_data_types, p_symbols);
end
$$;

comment on function freshness.watch(text[], text[], text, interval, integer, integer) is
    'Takes or renews a lease on keys: (p_data_types[i], p_symbols[i]) for watcher p_watcher until p_lease from now.'
    ' Data that is stale is queued, with at least p_priority and the data type''s. Returns a row for each key as'
    ' freshness.key_states does; unknown data types and invalid symbols are named there, and the others are handled.'
    ' FR008: lists of different length, a lease beyond 1 day, or a watcher without a name of 1 to 200 characters.'
    ' 429 (freshness.refuse_call): the watcher would watch over p_most keys (null: no limit); nothing is recorded.';
-- <<<

-- >>> sql/350_unwatch.sql
create function freshness.unwatch(p_data_types text[], p_symbols text[], p_watcher text)
returns integer
language sql
set search_path = pg_temp
as $$
    with ended as (
        delete from freshness.watches as w
        using unnest(p_data_types, p_symbols) as k (data_type, symbol)
        where
            w.watcher = p_watcher
            and w.lease_until is not null
            and w.data_type = k.data_type
            and w.symbol in (
                select c.symbol from freshness.canonical_symbols(k.data_type, array[k.symbol]) as c
            )
        returning 1
    )

    select count(*)::integer from ended
$$;

comment on function freshness.unwatch(text[], text[], text) is
    'Ends the leases that p_watcher holds on these keys, and returns their number.';
-- <<<

-- >>> sql/355_retry.sql
create function freshness.retry(p_data_type text, p_symbol text)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.jobs as j
    set
        state = 'scheduled', attempts = 0, not_before = null, last_error = null,
        run_at = least(j.run_at, clock_timestamp()), requested_at = clock_timestamp()
    where
        j.data_type = p_data_type and j.state <> 'running'
        and j.symbol in (select c.symbol from freshness.canonical_symbols(p_data_type, array[p_symbol]) as c);
    if found then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
    return found;
end
$$;

comment on function freshness.retry(text, text) is
    'Releases a key that is set aside or held back after failing: it is due now, with its attempts counted anew.'
    ' False when it has no job, or is running.';

create function freshness.retry(p_data_type text)
returns bigint
language plpgsql
set search_path = pg_temp
as $$
declare
    v_released bigint;
begin
    if not exists (select from freshness.data_types as t where t.name = p_data_type) then
        raise exception using errcode = 'FR001', message = format('data type %s is not registered', p_data_type),
            hint = 'freshness.register_data_type adds one; freshness.data_types has those that are there.';
    end if;
    -- In order, as everybody who changes several jobs and waits for them.
    with held as materialized (
        select j.symbol
        from freshness.jobs as j
        where
            j.data_type = p_data_type and j.state <> 'running' and j.not_before > clock_timestamp()
            and (j.state = 'failed' or j.last_error is not null)
        order by j.symbol
        for update
    )

    update freshness.jobs as j
    set
        state = 'scheduled', attempts = 0, not_before = null, last_error = null,
        run_at = least(j.run_at, clock_timestamp())
    from held as h where j.data_type = p_data_type and j.symbol = h.symbol;
    get diagnostics v_released = row_count;
    if v_released > 0 then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
    return v_released;
end
$$;

comment on function freshness.retry(text) is
    'Releases all keys of a data type that are set aside or held back, and returns how many. FR001: not registered.';
-- <<<

-- >>> sql/360_queued_key.sql
-- What get_or_queue finds out with our rights, for the part of it that reads with the caller's.
create type freshness.queued_key as (
    data_type text,
    symbol text,
    status text,
    age double precision,
    fresh_until timestamptz,
    queued boolean,
    data_table regclass,
    symbol_column text,
    timestamp_column text
);

comment on type freshness.queued_key is 'A key as get_or_queue found it, and where its rows are. age in seconds.';
-- <<<

-- >>> sql/365_queue_for_caller.sql
-- Serve what is stored, and queue a refresh if it is due. The rows are read with the caller's rights, the rest is done
-- with ours. The bodies that a caller runs name our functions by "return": they are bound when they are defined, so
-- that browsers need no way into schema freshness.

create function freshness.queue_for_caller(p_data_type text, p_symbol text)
returns freshness.queued_key
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_type freshness.data_types;
    v_key freshness.queued_key;
    -- Not current_user, which is the owner here; no role was set: the one that logged in.
    v_caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    if v_type.name is null then
        raise exception using
            errcode = 'FR001',
            message = format('data type %s is not registered', coalesce(quote_literal(p_data_type), 'null')),
            hint = 'Register it with freshness.register_data_type.';
    elsif has_table_privilege(v_caller, v_type.data_table, 'select') is not true then
        raise exception using
            errcode = 'insufficient_privilege',
            message = format('permission denied for the table of data type %L', p_data_type),
            hint = 'Whoever may select from the table may ask for its keys.';
    end if;

    v_key.symbol := (select c.symbol from freshness.canonical_symbols(p_data_type, array[p_symbol]) as c);
    if v_key.symbol is null then
        raise exception using
            errcode = 'FR008',
            message = format('%s is no symbol of data type %L', coalesce(quote_literal(p_symbol), 'null'), p_data_type),
            hint = 'Pass a value of its symbol column, of 1 to 200 characters.';
    end if;

    v_key.queued := exists (
        select from freshness.request(
            p_data_type, array[v_key.symbol], p_priority => greatest(v_type.priority, 1)
        )
    );
    select
        case
            when j.state = 'running' then 'refreshing'
            when l.fresh_until > clock_timestamp() then 'fresh'
            when j.state = 'failed' then 'failed'
            when l.present then 'stale'
            else 'missing'
        end,
        case when isfinite(a.since) then greatest(extract(epoch from clock_timestamp() - a.since), 0) end,
        nullif(l.fresh_until, 'infinity')
    into v_key.status, v_key.age, v_key.fresh_until
    from freshness.look(p_data_type, array[v_key.symbol]) as l
    left join freshness.jobs as j on j.data_type = p_data_type and j.symbol = l.symbol
    cross join lateral (
        -- What a fetch has verified counts while the rows are those that it verified.
        select greatest(l.stored_at, case when l.stored_at >= j.stored_at then j.verified_at end) as since
    ) as a;
    v_key.data_type := p_data_type;
    v_key.data_table := v_type.data_table;
    v_key.symbol_column := v_type.symbol_column;
    v_key.timestamp_column := v_type.timestamp_column;
    return v_key;
end
$$;

comment on function freshness.queue_for_caller(text, text) is
    'Part of get_or_queue, with our rights: queues a refresh of a key if it is due, provided that the caller may select'
    ' from its table.';

create function freshness.answer_for_caller(p_key freshness.queued_key)
returns jsonb
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_rows jsonb;
begin
    execute format(
        'select coalesce(jsonb_agg(n.body), ''[]'') from ('
        'select to_jsonb(r) as body from %s as r where %s order by r.%I desc nulls last limit 1000) as n',
        p_key.data_table,
        case
            when p_key.symbol_column is null then 'true'
            else format(
                'r.%I = $1::%s', p_key.symbol_column,
                (
                    select format_type(a.atttypid, -1) from pg_catalog.pg_attribute as a
                    where a.attrelid = p_key.data_table and a.attname = p_key.symbol_column and not a.attisdropped
                )
            )
        end,
        p_key.timestamp_column
    ) into v_rows using p_key.symbol;
    return jsonb_build_object(
        'data_type', p_key.data_type,
        'symbol', p_key.symbol,
        'status', p_key.status,
        'age', p_key.age,
        'fresh_until', p_key.fresh_until,
        'queued', p_key.queued,
        'rows', v_rows
    );
end
$$;

comment on function freshness.answer_for_caller(freshness.queued_key) is
    'Part of get_or_queue, with the caller''s rights: what was found, and the rows that the caller may see, newest'
    ' first, at most 1,000.';
-- <<<

-- >>> sql/369_leased_keys.sql
-- What somebody watches with leases: with cards under the user's own name, with each stream under one that has it.
create function freshness.lease_owner(p_watcher text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_temp
as $$
begin
    return case
        when p_watcher like 'stream:%' then substr(p_watcher, strpos(substr(p_watcher, 8), ':') + 8) else p_watcher
    end;
end
$$;

comment on function freshness.lease_owner(text) is
    'Whose lease it is: a card''s is held under its user''s name, a stream''s under stream:<id>:<its user''s name>.';

-- A user's leases, to count them; subscriptions are not in it.
create index watches_leases_of on freshness.watches (freshness.lease_owner(watcher)) where lease_until is not null;

create function freshness.leased_keys(p_owner text)
returns table (data_type text, symbol text, lease_until timestamptz)
language plpgsql
stable
rows 10
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
    return query
    select w.data_type, w.symbol, max(w.lease_until)
    from freshness.watches as w
    where freshness.lease_owner(w.watcher) = p_owner and w.lease_until > clock_timestamp()
    group by w.data_type, w.symbol;
end
$$;

comment on function freshness.leased_keys(text) is
    'The keys that somebody watches with cards and streams, each once, and until when at most.';
-- <<<

-- >>> sql/370_card_limits.sql
-- What a signed-in user may ask for when a page shows cards, whichever way the page asks.
create table freshness.card_limits (
    is_the_only_row boolean primary key default true
    constraint there_is_one_row check (is_the_only_row),
    lease interval not null default interval '5 minutes'
    constraint a_lease_is_a_second_to_a_day check (lease between interval '1 second' and interval '1 day'),
    keys_per_call integer not null default 50,
    keys_per_user integer not null default 500,
    constraint a_call_may_ask_for_what_a_user_may_watch check (keys_per_call between 1 and keys_per_user)
);

insert into freshness.card_limits default values;

comment on table freshness.card_limits is
    'Limits on cards, in one row: update freshness.card_limits set keys_per_user = 1000. They count from then on.';
comment on column freshness.card_limits.lease is 'How long on_card_add watches a key unless the page asks again.';
comment on column freshness.card_limits.keys_per_call is 'Different keys that one call of on_card_add may ask for.';
comment on column freshness.card_limits.keys_per_user is
    'Keys that a user may watch at a time, with cards and streams. The service role is not limited.';

-- Whoever restores a dump of the schema alone has the table without its row: it is put back, as in a new database.
create function freshness.limits_of_cards()
returns freshness.card_limits
language plpgsql
set search_path = pg_temp
as $$
declare
    v_limits freshness.card_limits;
begin
    select * into v_limits from freshness.card_limits;
    if not found then
        insert into freshness.card_limits default values on conflict do nothing;
        select * into v_limits from freshness.card_limits;
    end if;
    return v_limits;
end
$$;

comment on function freshness.limits_of_cards() is 'The row of freshness.card_limits, which is put back if it is gone.';

create function freshness.refuse_call(p_status integer, p_code text, p_message text, p_hint text, p_retry_after integer)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_headers jsonb := jsonb_strip_nulls(jsonb_build_object(
        'Retry-After', p_retry_after::text, 'WWW-Authenticate', case when p_status = 401 then 'Bearer' end
    ));
    -- Again for clients that see neither status nor headers.
    v_details jsonb := jsonb_strip_nulls(jsonb_build_object('status', p_status, 'retryAfter', p_retry_after));
begin
    raise exception using
        errcode = 'PGRST',
        message = jsonb_strip_nulls(jsonb_build_object(
            'code', p_code, 'message', p_message, 'details', v_details::text, 'hint', p_hint
        ))::text,
        detail = jsonb_build_object('status', p_status, 'headers', v_headers)::text;
end
$$;

comment on function freshness.refuse_call(integer, text, text, text, integer) is
    'Raises an error that PostgREST answers with this status, with Retry-After, and with a body of code (the word that'
    ' the endpoint answers), message, hint and details, which is JSON again: status and retryAfter in seconds.';

-- Calls of one watcher that add keys go one after the other, so that two at a time cannot both take the last place.
create function freshness.refuse_too_many(p_watcher text, p_data_types text[], p_symbols text[], p_most integer)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_ends timestamptz[];
    v_excess integer;
    v_end timestamptz;
begin
    perform pg_advisory_xact_lock(hashtextextended('freshness.watch ' || p_watcher, 0));
    v_ends := array(
        select w.lease_until
        from freshness.leased_keys(p_watcher) as w
        where
            not exists (
                select from unnest(p_data_types, p_symbols) as k (data_type, symbol)
                where k.data_type = w.data_type and k.symbol = w.symbol
            )
        order by w.lease_until
    );
    v_excess := cardinality(v_ends) + cardinality(p_data_types) - p_most;
    if v_excess > 0 then
        v_end := coalesce(v_ends[v_excess], v_ends[cardinality(v_ends)], clock_timestamp());
        perform freshness.refuse_call(
            429, 'TOO_MANY_WATCHED',
            format('You would watch %s keys; at most %s are allowed.', v_excess + p_most, p_most),
            'Show fewer cards, or wait until the leases of closed ones end.',
            greatest(ceil(extract(epoch from v_end - clock_timestamp())), 1)::integer
        );
    end if;
end
$$;

comment on function freshness.refuse_too_many(text, text[], text[], integer) is
    'Raises 429 when p_watcher would watch more than p_most keys with these; retryAfter is when enough of the leases on'
    ' the others will have ended.';
-- <<<

-- >>> sql/372_add_cards.sql
create function freshness.add_cards(
    p_data_types text[],
    p_symbols text[],
    p_watcher text,
    p_role text,
    p_lease interval default null
)
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
set lock_timeout = '1s'
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    -- Somebody waits for it. The caller cannot choose: it would be everybody's choice.
    c_priority constant integer := 1;
    v_lease interval;
    v_most integer;
    v_closed text[];
    v_open bigint[];
begin
    select coalesce(p_lease, l.lease), case when p_role <> 'service_role' then l.keys_per_user end
    into v_lease, v_most
    from freshness.limits_of_cards() as l;

    v_closed := array(
        select t.name
        from freshness.data_types as t
        where t.name = any (p_data_types) and has_table_privilege(p_role, t.data_table, 'select') is not true
    );
    if v_closed = '{}' then
        return query select * from freshness.watch(p_data_types, p_symbols, p_watcher, v_lease, c_priority, v_most);
        return;
    end if;

    v_open := array(
        select k.ordinal from unnest(p_data_types) with ordinality as k (data_type, ordinal)
        where k.data_type <> all (v_closed)
    );
    return query
    select
        k.data_type, coalesce(s.symbol, k.symbol), coalesce(s.status, 'forbidden'), s.fresh_until, s.due_at
    from unnest(p_data_types, p_symbols) with ordinality as k (data_type, symbol, ordinal)
    left join (
        select v_open[w.position] as ordinal, w.symbol, w.status, w.fresh_until, w.due_at
        from freshness.watch(
            array(select p_data_types[o] from unnest(v_open) with ordinality as u (o, place) order by u.place),
            array(select p_symbols[o] from unnest(v_open) with ordinality as u (o, place) order by u.place),
            p_watcher, v_lease, c_priority, v_most
        ) with ordinality as w (data_type, symbol, status, fresh_until, due_at, position)
    ) as s on s.ordinal = k.ordinal
    order by k.ordinal;
end
$$;

comment on function freshness.add_cards(text[], text[], text, text, interval) is
    'A page shows cards: freshness.watch for the keys whose table p_role may select, with the priority and the limits'
    ' of cards (freshness.card_limits; p_lease overrides its lease). The other keys are answered as forbidden.'
    ' Who calls must have verified that p_watcher and p_role are the user''s. Errors as of freshness.watch.';
-- <<<

-- >>> sql/374_read_cards.sql
create function freshness.read_cards(p_body jsonb, out data_types text[], out symbols text[])
language plpgsql
set search_path = pg_temp
as $$
declare
    v_is_list boolean := p_body ? 'cards';
    v_cards jsonb := case when v_is_list then p_body -> 'cards' else jsonb_build_array(p_body) end;
    v_wait jsonb := p_body -> 'wait';
    v_card record;
    v_problem text;
    v_most integer := (select l.keys_per_call from freshness.limits_of_cards() as l);
begin
    if jsonb_typeof(p_body) is distinct from 'object' then
        v_problem := 'The body must be an object with symbol and dataTypes, or with cards.';
    elsif v_is_list and p_body ?| array['symbol', 'dataTypes'] then
        v_problem := 'Send either cards, or symbol and dataTypes, not both.';
    elsif jsonb_typeof(v_cards) <> 'array' or v_cards = '[]' then
        v_problem := 'cards must be a list with at least one element.';
    end if;
    if v_problem is not null then
        perform freshness.refuse_call(422, 'INVALID_CARDS', v_problem, null, null);
    end if;

    for v_card in
        select
            c.body, c.body -> 'symbol' as symbol, c.body -> 'dataTypes' as data_types,
            case when v_is_list then format('cards[%s].', c.ordinal - 1) else '' end as path
        from jsonb_array_elements(v_cards) with ordinality as c (body, ordinal)
    loop
        if jsonb_typeof(v_card.body) <> 'object' then
            v_problem := rtrim(v_card.path, '.') || ' must be an object with symbol and dataTypes.';
        elsif jsonb_typeof(v_card.symbol) not in ('string', 'null') then
            v_problem := v_card.path || 'symbol must be a string.';
        elsif v_card.data_types is null then
            v_problem := v_card.path || 'dataTypes is missing: send a list of data types.';
        elsif jsonb_typeof(v_card.data_types) <> 'array' or v_card.data_types = '[]' then
            v_problem := v_card.path || 'dataTypes must be a list with at least one element.';
        else
            v_problem := (
                select format('%sdataTypes[%s] must be a string.', v_card.path, e.ordinal - 1)
                from jsonb_array_elements(v_card.data_types) with ordinality as e (name, ordinal)
                where jsonb_typeof(e.name) <> 'string'
                order by e.ordinal
                limit 1
            );
        end if;
        if v_problem is not null then
            perform freshness.refuse_call(422, 'INVALID_CARDS', v_problem, null, null);
        elsif length(v_card.symbol ->> 0) > 200 then
            perform freshness.refuse_call(
                422, 'SYMBOL_TOO_LONG', v_card.path || 'symbol is over 200 characters long.', null, null
            );
        end if;
    end loop;

    -- Each key once, in the order of first mention.
    select array_agg(k.data_type order by k.place), array_agg(k.symbol order by k.place)
    into data_types, symbols
    from (
        select e.data_type, coalesce(c.body ->> 'symbol', '') as symbol, min(array[c.ordinal, e.ordinal]) as place
        from jsonb_array_elements(v_cards) with ordinality as c (body, ordinal)
        cross join lateral jsonb_array_elements_text(c.body -> 'dataTypes')
        with ordinality as e (data_type, ordinal)
        group by e.data_type, coalesce(c.body ->> 'symbol', '')
    ) as k;
    if cardinality(data_types) > v_most then
        perform freshness.refuse_call(
            422, 'TOO_MANY_KEYS',
            format('%s keys are asked for; at most %s are allowed.', cardinality(data_types), v_most), null, null
        );
    elsif not coalesce(
        v_wait = 'null' or (jsonb_typeof(v_wait) = 'number' and v_wait >= '0'), true
    ) then
        perform freshness.refuse_call(
            422, 'INVALID_CARDS', 'wait must be a number of seconds, 0 or more.', null, null
        );
    end if;
end
$$;

comment on function freshness.read_cards(jsonb) is
    'The keys that the body of on-card-add asks for: {symbol, dataTypes} or {cards: [{symbol, dataTypes}, ...]}, each'
    ' key once, in the order of first mention. The symbol may be missing for data types without symbols; other fields'
    ' are ignored, and so is wait but for its form: a transaction cannot wait. 422 names the field that is wrong.';
-- <<<

-- >>> sql/376_on_card_add.sql
-- The endpoint's answer without the endpoint: for teams that host no Python.

create function freshness.caller_name(p_role text)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    -- PostgREST puts the claims of the token there that it has verified.
    v_user text := nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub';
    v_can_be_stored boolean := coalesce(length(v_user) between 1 and 190 and v_user !~ '[[:cntrl:]]', false);
begin
    if not v_can_be_stored and p_role <> 'service_role' then
        perform freshness.refuse_call(
            401, 'INVALID_CREDENTIALS', 'The token is not of a signed-in user: sign in first.', null, null
        );
    end if;
    return case when v_can_be_stored then 'user:' || v_user else p_role end;
end
$$;

comment on function freshness.caller_name(text) is
    'The name under which the caller''s leases are held: user:<sub>, the same as at the endpoint. 401: nobody.';

create function freshness.card_as_json(
    p_data_type text, p_symbol text, p_status text, p_fresh_until timestamptz, p_due_at timestamptz
)
returns jsonb
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    c_format constant text := 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
begin
    return jsonb_build_object(
        'symbol', nullif(p_symbol, ''),
        'dataType', p_data_type,
        'status', p_status,
        'freshUntil', case when isfinite(p_fresh_until) then to_char(p_fresh_until at time zone 'UTC', c_format) end,
        'dueAt', case when isfinite(p_due_at) then to_char(p_due_at at time zone 'UTC', c_format) end
    );
end
$$;

comment on function freshness.card_as_json(text, text, text, timestamptz, timestamptz) is
    'A key''s state as on-card-add answers it.';

create function public.on_card_add(
    p_symbol text default null, p_data_types text[] default null, p_cards jsonb default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    -- Not current_user, which is the owner here; no role was set: the one that logged in.
    v_role text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    v_watcher text := freshness.caller_name(v_role);
    v_cards jsonb := nullif(p_cards, 'null');
    v_card jsonb := jsonb_strip_nulls(jsonb_build_object('symbol', p_symbol, 'dataTypes', to_jsonb(p_data_types)));
    v_asked record;
    v_keys jsonb;
    v_statuses text[];
begin
    v_asked := freshness.read_cards(
        case
            when v_cards is null then v_card
            when jsonb_typeof(v_cards) = 'object' then v_cards || v_card
            else jsonb_build_object('cards', v_cards) || v_card
        end
    );
    select
        jsonb_agg(
            freshness.card_as_json(s.data_type, s.symbol, s.status, s.fresh_until, s.due_at) order by s.place
        ),
        array_agg(distinct s.status)
    into v_keys, v_statuses
    from freshness.add_cards(v_asked.data_types, v_asked.symbols, v_watcher, v_role)
    with ordinality as s (data_type, symbol, status, fresh_until, due_at, place);

    if v_statuses = array['unknown_data_type'] then
        perform freshness.refuse_call(
            422, 'UNKNOWN_DATA_TYPE',
            format(
                'None of these data types is known: %s.',
                (
                    select string_agg(n.name, ', ' order by n.place)
                    from (
                        select left(t.name, 50) as name, min(t.place) as place
                        from unnest(v_asked.data_types) with ordinality as t (name, place)
                        group by left(t.name, 50)
                    ) as n
                )
            ),
            'freshness.register_data_type makes one known.', null
        );
    elsif v_statuses <@ array['unknown_data_type', 'forbidden'] then
        perform freshness.refuse_call(
            403, 'FORBIDDEN', 'You may not read the tables of these data types.',
            'Whoever may select from the table may ask for its keys.', null
        );
    end if;
    return jsonb_build_object(
        'success', true,
        'leaseSeconds', (select extract(epoch from l.lease) from freshness.limits_of_cards() as l)::double precision,
        'keys', v_keys
    );
end
$$;

comment on function public.on_card_add(text, text[], jsonb) is
    'For signed-in users: a page shows a card (p_symbol, p_data_types), or cards (p_cards: a list of {symbol,'
    ' dataTypes}, or the body that the endpoint takes). Their keys are watched until the lease ends, unless the page'
    ' calls again, and what is stale is queued. Answers as the endpoint on-card-add. Errors: 401, 403, 422 and'
    ' 429, as PostgREST answers freshness.refuse_call: with the endpoint''s code, and Retry-After.';
-- <<<

-- >>> sql/400_changed_rows.sql
-- SQL over the changed rows of one statement. It is put together as text: transition tables are seen by the trigger
-- function itself alone, not by a function that it calls, and their columns differ from table to table.

create function freshness.changed_rows(p_type freshness.data_types)
returns table (symbol text, symbols text, moment text)
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return query
    select
        case when p_type.symbol_column is null then '''GLOBAL''' else format('r.%I::text', p_type.symbol_column) end,
        case
            when p_type.symbol_column is null then 'count(*)'
            else format('sum(hashtext(r.%I::text))', p_type.symbol_column)
        end,
        freshness.timestamp_expression(a.atttypid, p_type.time_zone, format('r.%I', p_type.timestamp_column))
    from pg_catalog.pg_attribute as a
    where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column and not a.attisdropped;
end
$$;

comment on function freshness.changed_rows(freshness.data_types) is
    'SQL for a changed row r: its symbol, a sum that differs when the symbols of two sets of rows do, its timestamp.';

create function freshness.earlier_keys(p_type freshness.data_types, p_operation text, p_old text, p_new text)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (
        select format(
            case p_operation
                when 'INSERT' then 'select array_agg(distinct %2$s), null::timestamptz[] from %4$s as r'
                when 'DELETE' then
                    'select array_agg(o.symbol), array_agg(o.newest)'
                    ' from (select %2$s as symbol, max(%1$s) filter (where %1$s <= $1) as newest'
                    ' from %3$s as r group by 1) as o'
                else
                    'select array_agg(o.symbol), array_agg(' || v.newest || ')'
                    ' from (select %2$s as symbol, max(%1$s) filter (where %1$s <= $1) as newest'
                    ' from %3$s as r group by 1) as o'
                    ' left join (select %2$s as symbol, max(%1$s) filter (where %1$s <= $1) as newest from %4$s as r'
                    ' group by 1) as n on n.symbol = o.symbol'
                    ' where n.newest is null or n.newest < o.newest'
            end
            || case when v.newest <> 'o.newest' and p_operation = 'UPDATE' then ' or true' else '' end,
            c.moment, c.symbol, p_old, p_new
        )
        from freshness.changed_rows(p_type) as c
        -- A shorter ttl of its own brings a row's deadline forward at the same timestamp.
        cross join (
            select case when p_type.ttl_column is null then 'o.newest' else 'null::timestamptz' end as newest
        ) as v
    );
end
$$;

comment on function freshness.earlier_keys(freshness.data_types, text, text, text) is
    'SQL for the keys whose deadline a statement may have brought forward, and the newest timestamp that it took away'
    ' of each. $1: the latest timestamp that counts.';
-- <<<

-- >>> sql/405_pull_changed_keys.sql
-- Which of the changed keys go to the inbox. For rows that were taken away the answer hangs on the rows alone, never on
-- what the job waits for: a writer's transaction may stay open while workers finish the same keys, and only its commit
-- makes the change known.
create function freshness.pull_changed_keys(p_data_type text, p_symbols text[], p_newest timestamptz[])
returns void
language plpgsql
set search_path = pg_temp
set lock_timeout = '100ms'
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_known text[];
begin
    -- The limit makes it a probe by primary key for each symbol, whatever the tables' sizes were when it was planned.
    v_known := array(
        select distinct s.symbol
        from unnest(p_symbols) as s (symbol)
        cross join lateral (
            select from freshness.jobs as j where j.data_type = p_data_type and j.symbol = s.symbol limit 1
        ) as k
    );
    if cardinality(v_known) = 0 then
        return;
    end if;

    if p_newest is null then
        insert into freshness.pulls (data_type, symbol, reason)
        select p_data_type, l.symbol, 'data changed'
        from freshness.look(p_data_type, v_known) as l
        cross join lateral (
            select j.state, j.run_at from freshness.jobs as j
            where j.data_type = p_data_type and j.symbol = l.symbol
            limit 1
        ) as k
        where
            coalesce(l.refresh_at, '-infinity')
            < case when k.state = 'running' then v_now when k.run_at > v_now then k.run_at end;
    else
        insert into freshness.pulls (data_type, symbol, reason)
        select p_data_type, l.symbol, 'data changed'
        from freshness.look(p_data_type, v_known) as l
        join unnest(p_symbols, p_newest) as s (symbol, newest) on s.symbol = l.symbol
        where l.stored_at is null or s.newest is null or l.stored_at < s.newest;
    end if;
    if found then
        perform freshness.wake(p_data_type, v_now);
    end if;
end
$$;

comment on function freshness.pull_changed_keys(text, text[], timestamptz[]) is
    'Leaves a pull for those of the keys that have a job and an earlier deadline. p_newest: the newest timestamp that'
    ' a statement took away of each key, null: unknown; one that still has a row as new needs no pull. No array: rows'
    ' only arrived, and what counts is whether the job waits for a later moment than they call for.';

create function freshness.pull_all_rows(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
set lock_timeout = '100ms'
as $$
begin
    insert into freshness.pulls (data_type, reason) values (p_data_type, 'truncated');
    perform freshness.wake(p_data_type, clock_timestamp());
end
$$;

comment on function freshness.pull_all_rows(text) is 'Leaves a pull for all keys of a data type whose rows are gone.';

create function freshness.is_used(p_data_type text)
returns boolean
language plpgsql
stable
set search_path = pg_temp
set lock_timeout = '100ms'
as $$
begin
    -- Ordered as the primary key is: one probe of it, whatever the planner takes the table to be.
    perform from freshness.jobs as j where j.data_type = p_data_type order by j.symbol limit 1;
    return found;
end
$$;

comment on function freshness.is_used(text) is 'Whether any key of a data type has a job.';
-- <<<

-- >>> sql/407_updated_row.sql
-- Updates are judged row by row, by a condition in the trigger itself: a row that became fresher calls nothing, and no
-- copies of the rows are kept for a function. What Postgres asks for that is in docs/decisions/0014.

create function freshness.update_condition(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (
        select
            -- A second ahead counts as now, whatever the ttl. What could fail is not converted: the writer would fail.
            format(
                'least(greatest(old.%1$I, new.%1$I), %2$s) is distinct from new.%1$I', a.attname,
                case a.atttypid
                    when 'timestamptz'::regtype then 'clock_timestamp() + interval ''1 second'''
                    when 'timestamp'::regtype then
                        format('(clock_timestamp() at time zone %L) + interval ''1 second''', p_type.time_zone)
                    else format('(clock_timestamp() at time zone %L)::date', p_type.time_zone)
                end
            )
            || coalesce(
                (
                    select
                        format(
                            ' or old.%1$I::text%2$s is distinct from new.%1$I::text%2$s', s.attname,
                            -- Symbols that a collation takes to be equal are two.
                            case when not o.collisdeterministic then ' collate "C"' end
                        )
                    from pg_catalog.pg_attribute as s
                    left join pg_catalog.pg_collation as o on o.oid = s.attcollation
                    where s.attrelid = p_type.data_table and s.attname = p_type.symbol_column and not s.attisdropped
                ),
                ''
            )
            || coalesce(replace(' or old.@ is distinct from new.@', '@', quote_ident(p_type.ttl_column)), '')
        from pg_catalog.pg_attribute as a
        join pg_catalog.pg_class as c on c.oid = a.attrelid
        where
            a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column and not a.attisdropped
            and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
            -- An update of a partitioned table may move a row, which is no update then; a row of a child table has only
            -- its own table's triggers; and a function may take any change as it likes.
            and c.relkind = 'r' and not c.relhassubclass
            and p_type.deadline_function is null and p_type.staleness_function is null
    );
end
$$;

comment on function freshness.update_condition(freshness.data_types) is
    'SQL over an updated row''s old and new values: whether its key''s deadline may have come earlier. Null when only'
    ' the statement''s rows together can tell.';

create function freshness.judge_updated_row(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (
        select format(
            $body$
                    v_is_fresher := (
                        %1$s >= %2$s and %1$s <= clock_timestamp() + %3$L::interval
                        or new.%4$I is null and old.%4$I is null
                    ) and %5$s%6$s;
                    v_symbols := array[%7$s];
                    v_newest := array[%8$s];$body$,
            freshness.timestamp_expression(a.atttypid, p_type.time_zone, format('new.%I', a.attname)), e.moment,
            least(p_type.ttl, interval '1 minute'), a.attname,
            coalesce(replace('new.@::text = old.@::text', '@', quote_ident(p_type.symbol_column)), 'true'),
            replace(' and new.@ is not distinct from old.@', '@', quote_ident(p_type.ttl_column)),
            coalesce('old.' || quote_ident(p_type.symbol_column) || '::text', '''GLOBAL'''),
            -- A shorter ttl of its own brings a row's deadline forward at the same timestamp.
            case
                when p_type.ttl_column is not null then 'null::timestamptz'
                else format(
                    'case when %1$s <= clock_timestamp() + %2$L::interval then %1$s end',
                    e.moment, least(p_type.ttl, interval '1 minute')
                )
            end
        )
        from pg_catalog.pg_attribute as a
        cross join lateral (
            select freshness.timestamp_expression(a.atttypid, p_type.time_zone, format('old.%I', a.attname)) as moment
        ) as e
        where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column and not a.attisdropped
    );
end
$$;

comment on function freshness.judge_updated_row(freshness.data_types) is
    'PL/pgSQL for one updated row: whether its key''s deadline came no earlier, else the key and the timestamp that was'
    ' taken away of it.';
-- <<<

-- >>> sql/408_older_rows.sql
-- To judge a row takes some 200 microseconds. So the first of a transaction are judged, most of the others are only
-- written down for the fold, and when there are very many all keys are looked at.
create function freshness.are_too_many(p_data_type text, p_symbol text)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
declare
    v_judged constant integer := 500;
    v_noted constant integer := 10000;
    v_setting constant text := 'freshness.older_rows_' || encode(convert_to(p_data_type, 'UTF8'), 'hex');
    v_rows constant integer := coalesce(nullif(current_setting(v_setting, true), ''), '0')::integer + 1;
begin
    if v_rows > v_noted + 1 then
        return true;
    end if;
    perform set_config(v_setting, v_rows::text, true);
    if v_rows <= v_judged then
        return false;
    elsif v_rows <= v_noted then
        insert into freshness.pulls (data_type, symbol, reason)
        select j.data_type, j.symbol, 'data changed'
        from freshness.jobs as j
        where j.data_type = p_data_type and j.symbol = p_symbol
        limit 1;
    else
        insert into freshness.pulls (data_type, reason) values (p_data_type, 'all keys');
    end if;
    -- Once is enough: it is told at the commit.
    if v_rows = v_judged + 1 then
        perform freshness.wake(p_data_type, clock_timestamp());
    end if;
    return true;
end
$$;

comment on function freshness.are_too_many(text, text) is
    'Counts a row that became older in this transaction. False: it is to be judged. True for those of a data type after'
    ' 500, whose keys are left to the fold, and after 10,000 all keys.';
-- <<<

-- >>> sql/410_define_data_trigger.sql
-- The trigger function of a data type. It is written for it at registration, as its look function is: a dynamic
-- statement would be planned on each call, which costs the writer of a row 300 microseconds instead of 16.

create function freshness.all_became_fresher(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (
        select format(
            $body$
                -- Nearly every statement writes one row, and that is told faster without aggregates.
                perform from new_rows as r offset 1 limit 1;
                if not found then
                    select %1$s as symbol, %2$s as moment, %4$s as own_ttl into v_new from new_rows as r;
                    select %1$s as symbol, %2$s as moment, %4$s as own_ttl into v_old from old_rows as r;
                    v_is_fresher := v_new.moment >= v_old.moment and v_new.moment <= clock_timestamp() + %5$L::interval
                        and v_new.symbol = v_old.symbol and v_new.own_ttl is not distinct from v_old.own_ttl;
                else
                    select
                        min(r.%6$I) as oldest, max(%2$s) as newest, count(*) - count(r.%6$I) as undated,
                        %3$s as symbols, min(%4$s) as shortest, count(%4$s) as own_ttls
                    into v_new from new_rows as r;
                    select max(r.%6$I) as newest, %3$s as symbols, max(%4$s) as longest, count(%4$s) as own_ttls
                    into v_old from old_rows as r;
                    v_is_fresher := v_new.oldest >= v_old.newest and v_new.undated = 0
                        and v_new.newest <= clock_timestamp() + %5$L::interval and v_new.symbols = v_old.symbols
                        and v_new.own_ttls = v_old.own_ttls and (v_new.shortest < v_old.longest) is not true;
                end if;$body$,
            c.symbol, c.moment, c.symbols, coalesce('r.' || quote_ident(p_type.ttl_column), 'null::integer'),
            least(p_type.ttl, interval '1 minute'), p_type.timestamp_column
        )
        from freshness.changed_rows(p_type) as c
    );
end
$$;

comment on function freshness.all_became_fresher(freshness.data_types) is
    'PL/pgSQL that sets v_is_fresher when an update brought no deadline forward: a pass over the rows without any'
    ' grouping, true for rows that all became fresher under the same symbols and ttls. Otherwise false or null.';

create function freshness.define_data_trigger(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_type freshness.data_types;
    v_limit interval;
begin
    select * into strict v_type from freshness.data_types as t where t.name = p_data_type;
    v_limit := least(v_type.ttl, interval '1 minute');
    execute format(
        'create or replace function freshness.%1$I() returns trigger language plpgsql security definer'
        ' set search_path = pg_temp%4$s as %2$L; revoke all on function freshness.%1$I() from public;'
        ' alter function freshness.%1$I() owner to %3$s',
        'changed_' || p_data_type,
        format(
            $body$
            declare
                v_new record;
                v_old record;
                v_is_fresher boolean;
                v_symbols text[];
                v_newest timestamptz[];
            begin
                if tg_level = 'ROW' then%10$s
                elsif tg_op = 'UPDATE' then%2$s
                elsif tg_op = 'INSERT' then
                    v_is_fresher := not exists (
                        select from new_rows as r
                        where (%3$s between clock_timestamp() - %4$L::interval and clock_timestamp() + %5$L::interval)
                        is not true%6$s
                    );
                end if;
                -- The finish of a refresh writes rows too, and sets its job's deadline itself.
                if
                    v_is_fresher or not freshness.is_used(%1$L)
                    or current_setting('freshness.storing', true) = 'on'
                then
                    return null;
                elsif tg_op = 'TRUNCATE' then
                    perform freshness.pull_all_rows(%1$L);
                    return null;
                end if;
                if tg_level = 'STATEMENT' then
                    execute case tg_op when 'UPDATE' then %7$L when 'INSERT' then %8$L else %9$L end
                    into v_symbols, v_newest using clock_timestamp() + %5$L::interval;
                elsif freshness.are_too_many(%1$L, v_symbols[1]) then
                    return null;
                end if;
                perform freshness.pull_changed_keys(%1$L, v_symbols, v_newest);
                return null;
            exception
                when others or assert_failure then
                    raise warning 'freshness: a change of table %% was not noticed: %%', tg_relid::regclass, sqlerrm;
                    return null;
            end
            $body$,
            p_data_type, freshness.all_became_fresher(v_type),
            (select c.moment from freshness.changed_rows(v_type) as c),
            v_type.ttl, v_limit, ' or r.' || quote_ident(v_type.ttl_column) || ' is not null',
            freshness.earlier_keys(v_type, 'UPDATE', 'old_rows', 'new_rows'),
            freshness.earlier_keys(v_type, 'INSERT', null, 'new_rows'),
            freshness.earlier_keys(v_type, 'DELETE', 'old_rows', null), freshness.judge_updated_row(v_type)
        ),
        freshness.owner_name(),
        -- As freshness.cast_symbol.
        case when not v_type.symbol_is_text then ' set datestyle = ''ISO, MDY'' set timezone = ''UTC''' end
    );
end
$define$;

comment on function freshness.define_data_trigger(text) is
    'Writes the trigger function of a registered data type: freshness."changed_<name>"(), for each statement, and for'
    ' each updated row.';
-- <<<

-- >>> sql/415_check_staleness_on_update.sql
-- For triggers that somebody attaches by hand, on any data table and for each row or each statement: it finds out on
-- each call what the triggers that registration attaches have written into their function.
create function public.check_staleness_on_update()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
set lock_timeout = '100ms'
as $$
declare
    v_type freshness.data_types;
    v_old text := 'old_rows';
    v_new text := 'new_rows';
    v_symbols text[];
    v_newest timestamptz[];
begin
    -- The finish of a refresh writes rows too, and sets its job's deadline itself.
    if current_setting('freshness.storing', true) = 'on' then
        return null;
    end if;
    if tg_level = 'ROW' then
        v_old := format('(select ($2::%s).*)', tg_relid::regclass);
        v_new := format('(select ($3::%s).*)', tg_relid::regclass);
    end if;

    for v_type in
        select t.* from freshness.data_types as t
        where t.data_table in (tg_relid, pg_catalog.pg_partition_root(tg_relid)) and freshness.is_used(t.name)
    loop
        if tg_op = 'TRUNCATE' then
            perform freshness.pull_all_rows(v_type.name);
            continue;
        end if;
        execute freshness.earlier_keys(v_type, tg_op, v_old, v_new) into v_symbols, v_newest
            using clock_timestamp() + least(v_type.ttl, interval '1 minute'), old, new;
        perform freshness.pull_changed_keys(v_type.name, v_symbols, v_newest);
    end loop;
    return null;
exception
    when others or assert_failure then
        raise warning 'freshness: a change of table % was not noticed: %', tg_relid::regclass, sqlerrm;
        return null;
end
$$;

comment on function public.check_staleness_on_update() is
    'Trigger function for data tables, after insert, update, delete or truncate, for each row or for each statement'
    ' (with transition tables old_rows and new_rows). Queues keys whose deadline came earlier. Registration attaches'
    ' faster ones, unless it is told not to.';
-- <<<

-- >>> sql/420_attach_data_triggers.sql
-- Triggers on the data tables: a key whose deadline came earlier (older rows written over newer ones, rows deleted or
-- renamed, a shorter ttl) goes to the inbox. Rows that became fresher end with one pass over them: the claim looks
-- before it fetches. They lock no job and never fail the writer's statement.
create function freshness.attach_data_triggers(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_type freshness.data_types;
    v_event record;
begin
    select * into strict v_type from freshness.data_types as t where t.name = p_data_type;
    for v_event in
        select *
        from (
            values
            ('insert', 'referencing new table as new_rows for each statement'),
            (
                'update',
                coalesce(
                    'for each row when (' || freshness.update_condition(v_type) || ')',
                    'referencing old table as old_rows new table as new_rows for each statement'
                )
            ),
            ('delete', 'referencing old table as old_rows for each statement'),
            ('truncate', 'for each statement')
        ) as e (name, manner)
    loop
        execute format(
            'create or replace trigger %I after %s on %s %s execute function freshness.%I()',
            'freshness_' || v_event.name || '_' || p_data_type, v_event.name, v_type.data_table, v_event.manner,
            'changed_' || p_data_type
        );
    end loop;
end
$$;

comment on function freshness.attach_data_triggers(text) is
    'Puts a data type''s triggers on its table, or puts them back: freshness_insert_<name>, and so for update, delete'
    ' and truncate.';

create function freshness.detach_data_triggers(p_data_type text, p_except regclass default null)
returns void
language plpgsql
set search_path = pg_temp
-- On hosted Supabase a DROP TRIGGER locks other tables too for a moment; rather fail than hold them up.
set lock_timeout = '2s'
as $$
declare
    v_trigger record;
begin
    for v_trigger in
        select t.tgname, t.tgrelid::regclass as data_table
        from pg_catalog.pg_trigger as t
        join pg_catalog.pg_proc as f on f.oid = t.tgfoid
        where
            f.pronamespace = 'freshness'::regnamespace and f.proname = 'changed_' || p_data_type
            and t.tgrelid is distinct from p_except
    loop
        execute format('drop trigger %I on %s', v_trigger.tgname, v_trigger.data_table);
    end loop;
end
$$;

comment on function freshness.detach_data_triggers(text, regclass) is
    'Removes a data type''s triggers from all tables but the one given.';

create function freshness.renew_update_trigger(p_old freshness.data_types, p_new freshness.data_types)
returns void
language plpgsql
set search_path = pg_temp
set lock_timeout = '2s'
as $$
begin
    -- The condition of the trigger names what it reads.
    perform freshness.attach_data_triggers(p_new.name)
    where
        (
            p_old.symbol_column, p_old.timestamp_column, p_old.time_zone, p_old.ttl_column, p_old.deadline_function,
            p_old.staleness_function
        ) is distinct from (
            p_new.symbol_column, p_new.timestamp_column, p_new.time_zone, p_new.ttl_column, p_new.deadline_function,
            p_new.staleness_function
        )
        and exists (
            select from pg_catalog.pg_trigger as t
            where t.tgrelid = p_new.data_table and t.tgname = 'freshness_update_' || p_new.name
        );
end
$$;

comment on function freshness.renew_update_trigger(freshness.data_types, freshness.data_types) is
    'Puts a data type''s triggers on its table anew when its registration names other columns, if they are there.';
-- <<<

-- >>> sql/450_register_source.sql
create function freshness.register_source(
    name text,
    calls_per_minute integer default null,
    burst integer default null,
    calls_in_flight integer default null,
    bytes_per_30_days bigint default null
)
returns freshness.sources
language plpgsql
set search_path = pg_temp
as $$
#variable_conflict use_variable
declare
    v_row freshness.sources;
    v_wrong text := case
        when name is null or name !~ '^[A-Za-z][A-Za-z0-9_.-]{0,49}$' then 'name is ' || coalesce(quote_literal(name), 'null')
        when calls_per_minute < 1 then 'calls_per_minute is ' || calls_per_minute
        when calls_in_flight < 1 then 'calls_in_flight is ' || calls_in_flight
        when bytes_per_30_days < 1 then 'bytes_per_30_days is ' || bytes_per_30_days
        when burst < 1 or burst > coalesce(calls_per_minute, 0) then 'burst is ' || burst
    end;
begin
    if v_wrong is not null then
        raise exception using errcode = 'FR002', message = v_wrong,
            hint = 'A name has up to 50 letters, digits, ''_'', ''-'' and ''.''; limits are 1 or more, null for none; a'
            ' burst is at most calls_per_minute.';
    end if;
    insert into freshness.sources as s (name, calls_per_minute, burst, calls_in_flight, bytes_per_30_days)
    values (name, calls_per_minute, burst, calls_in_flight, bytes_per_30_days)
    on conflict on constraint sources_pkey do update set
        calls_per_minute = excluded.calls_per_minute,
        burst = excluded.burst,
        calls_in_flight = excluded.calls_in_flight,
        bytes_per_30_days = excluded.bytes_per_30_days,
        opens_at = null
    returning s.* into v_row;
    perform freshness.refuse_costs(t.source, t.calls_per_refresh) from freshness.data_types as t where t.source = v_row.name;
    -- A wider budget counts at once.
    perform freshness.wake(t.name, clock_timestamp()) from freshness.data_types as t where t.source = v_row.name;
    return v_row;
end
$$;

comment on function freshness.register_source is
    'Adds a source with its budget, or changes it; what it has spent stays counted. Null: no limit. FR002 names a limit'
    ' that makes no sense.';

create function freshness.unregister_source(name text)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
#variable_conflict use_variable
begin
    delete from freshness.spent_calls as c where c.source = name;
    delete from freshness.spent_days as d where d.source = name;
    delete from freshness.sources as s where s.name = name;
    return found;
end
$$;

comment on function freshness.unregister_source(text) is
    'Removes a source with all that it has spent; its data types go on without a budget. False when there was none.';
-- <<<

-- >>> sql/453_used_calls.sql
-- What a source has used of its budget: the calls that run, and those that ended lately.
create type freshness.used_calls as (
    calls bigint, bytes numeric, recent bigint, spent numeric, oldest timestamptz, newest timestamptz, is_untidy boolean
);

comment on type freshness.used_calls is
    'Of a source: calls and bytes that run, recent calls and spent bytes of those that ended, from when to when, and'
    ' whether freshness.tidy_spent_calls has something to do.';

create function freshness.used_calls(p_source text)
returns freshness.used_calls
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
-- A plan made while there are few would read all of them.
set enable_seqscan = off
set jit = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_used freshness.used_calls;
begin
    -- One statement, one snapshot: a call that ends at this moment is either running or spent.
    select
        r.calls, r.bytes, s.recent, s.spent, s.oldest, s.newest,
        s.rows > 100 or s.oldest < v_now - interval '90 seconds' or s.newest > v_now + interval '1 second'
    into v_used
    from (
        select coalesce(sum(j.calls), 0) as calls, coalesce(sum(j.estimated_size_bytes), 0) as bytes
        from freshness.jobs as j
        where
            j.state = 'running' and j.calls > 0
            and j.data_type = any (array(select t.name from freshness.data_types as t where t.source = p_source))
    ) as r
    cross join (
        select
            coalesce(sum(c.calls) filter (where c.spent_at > v_now - interval '60 seconds'), 0) as recent,
            coalesce(sum(c.bytes), 0) as spent, min(c.spent_at) as oldest, max(c.spent_at) as newest, count(*) as rows
        from freshness.spent_calls as c
        where c.source = p_source
    ) as s;
    return v_used;
end
$$;

comment on function freshness.used_calls(text) is
    'What a source has to count at this moment; nothing is missed while its row is locked.';
-- <<<

-- >>> sql/455_allowance.sql
-- How many calls a source allows at this moment, and if none, when to ask again.
--
-- Why no 60 seconds at the provider hold more than calls_per_minute: take the call of such a window that was claimed
-- last, at c. The window ends after c, so it begins after c - 60 s, and each other call in it ended later than that: at
-- c it was either running or among the calls spent in the last 60 s, and was counted. Claims of one source wait for
-- each other at its row, so none is missed.
create function freshness.allowance(p_source freshness.sources, p_used freshness.used_calls default null)
returns table (calls integer, bytes bigint, opens_at timestamptz)
language plpgsql
rows 1
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_used freshness.used_calls := coalesce(p_used, freshness.used_calls(p_source.name));
    v_tokens double precision := freshness.tokens(p_source, v_now);
    v_over integer;
begin
    calls := least(
        p_source.calls_per_minute - v_used.calls - v_used.recent,
        floor(v_tokens)::bigint,
        p_source.calls_in_flight - v_used.calls,
        -- After a pause that failures caused, one refresh tries whether the source is back, whatever it costs.
        case
            when p_source.pauses = 0 then null
            when v_used.calls > 0 then 0
            else coalesce(
                (select max(t.calls_per_refresh) from freshness.data_types as t where t.source = p_source.name), 1
            )
        end
    );
    bytes := p_source.bytes_per_30_days - v_used.bytes - v_used.spent - (
        select coalesce(sum(d.bytes), 0)
        from freshness.spent_days as d
        where d.source = p_source.name and d.day > (v_now at time zone 'UTC')::date - 30
    );
    if p_source.paused_until > v_now then
        calls := 0;
        opens_at := p_source.paused_until;
    elsif bytes <= 0 then
        calls := 0;
        -- A day's bytes leave the account at midnight.
        opens_at := date_trunc('day', v_now at time zone 'UTC' + interval '1 day') at time zone 'UTC';
    elsif calls <= 0 then
        v_over := v_used.calls + v_used.recent - p_source.calls_per_minute;
        opens_at := greatest(
            -- The call whose leaving makes room; none: one that runs has to end, which its worker notices first.
            case when v_over >= 0 then coalesce(
                (
                    select min(c.spent_at) + interval '60 seconds'
                    from (
                        select o.spent_at, sum(o.calls) over (order by o.spent_at) as freed
                        from freshness.spent_calls as o
                        where o.source = p_source.name and o.spent_at > v_now - interval '60 seconds'
                    ) as c
                    where c.freed > v_over
                ),
                v_now + interval '250 milliseconds'
            ) end,
            case when v_tokens < 1 then
                v_now + make_interval(secs => (1 - v_tokens) * 60 / p_source.calls_per_minute)
            end,
            case when v_used.calls >= p_source.calls_in_flight or p_source.pauses > 0
                then v_now + interval '250 milliseconds'
            end
        );
    end if;
    calls := case when calls < 0 then 0 else calls end;
    return next;
end
$$;

comment on function freshness.allowance(freshness.sources, freshness.used_calls) is
    'Calls and bytes that a source (its row, locked) allows now; null: no limit. opens_at: when to ask again if none.'
    ' p_used: what it has to count, if that is known.';

create function freshness.tokens(p_source freshness.sources, p_now timestamptz)
returns double precision
language plpgsql
immutable
set search_path = pg_temp
as $$
begin
    -- A clock that was set back neither gives nor takes.
    return least(
        p_source.burst,
        coalesce(
            p_source.tokens + greatest(extract(epoch from p_now - p_source.tokens_at)::double precision, 0)
            * p_source.calls_per_minute / 60,
            p_source.burst
        )
    );
end
$$;

comment on function freshness.tokens(freshness.sources, timestamptz) is
    'Calls that may start at p_now without leaving the even pace (a token bucket); null: the source has no burst.';
-- <<<

-- >>> sql/460_spend.sql
-- A job that leaves the state running, whichever way, has spent its calls: a trigger, so that no way can forget it.
-- Whoever sets its calls to 0 has counted them, as finish does for many at once.
create function freshness.spend()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
declare
    v_job record;
begin
    v_job := case when tg_op = 'DELETE' then old else new end;
    insert into freshness.spent_calls (source, calls, bytes)
    select t.source, v_job.calls, coalesce(v_job.estimated_size_bytes, 0)
    from freshness.data_types as t
    where t.name = v_job.data_type and t.source is not null;
    return null;
end
$$;

comment on function freshness.spend() is
    'Trigger function of jobs: counts the calls and bytes of a refresh that has ended. Whoever ends it may set'
    ' jobs.calls and estimated_size_bytes to what was really used, or jobs.calls to 0 when it has counted them itself.';

create trigger spend_on_update
after update of state on freshness.jobs
for each row when (old.state = 'running' and old.calls > 0 and new.state <> 'running' and new.calls > 0)
execute function freshness.spend();

create trigger spend_on_delete
after delete on freshness.jobs
for each row when (old.state = 'running' and old.calls > 0)
execute function freshness.spend();

create function freshness.fold_spent_calls(p_source text)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    -- The clock was set back: what was spent then counts from now on.
    update freshness.spent_calls as c set spent_at = v_now
    where c.source = p_source and c.spent_at > v_now + interval '1 second';

    with gone as (
        delete from freshness.spent_calls as c
        where c.source = p_source and c.spent_at <= v_now - interval '60 seconds'
        returning c.*
    )

    insert into freshness.spent_days as d (source, day, calls, bytes)
    select p_source, (g.spent_at at time zone 'UTC')::date, sum(g.calls), sum(g.bytes)
    from gone as g
    group by 2
    order by 2
    on conflict (source, day) do update set calls = d.calls + excluded.calls, bytes = d.bytes + excluded.bytes;
end
$$;

comment on function freshness.fold_spent_calls(text) is
    'Moves calls that no minute counts any more into the day''s sum. Called with the source''s row locked.';
-- <<<

-- >>> sql/461_tidy_spent_calls.sql
-- Each end of refreshes appends a row to what a source has spent, and each claim adds them up: under load those of two
-- seconds are made one. It counts from the last of them, so that none leaves the account before its minute is over.
create function freshness.gather_spent_calls(p_source text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    with gone as (
        delete from freshness.spent_calls as c
        where c.ctid = any (
            array(
                select m.place
                from (
                    select o.ctid as place, count(*) over (partition by date_bin('2 seconds', o.spent_at, 'epoch')) as many
                    from freshness.spent_calls as o
                    where o.source = p_source
                ) as m
                where m.many > 1
            )
        )
        returning c.spent_at, c.calls, c.bytes
    )

    insert into freshness.spent_calls (source, spent_at, calls, bytes)
    select p_source, max(g.spent_at), sum(g.calls), sum(g.bytes)
    from gone as g
    group by date_bin('2 seconds', g.spent_at, 'epoch');
end
$$;

comment on function freshness.gather_spent_calls(text) is
    'Makes the calls that ended within the same two seconds one row of spent_calls. Called with the source''s row'
    ' locked.';

create function freshness.tidy_spent_calls(p_source text, p_used freshness.used_calls)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if
        p_used.oldest < clock_timestamp() - interval '90 seconds'
        or p_used.newest > clock_timestamp() + interval '1 second'
    then
        perform freshness.fold_spent_calls(p_source);
    else
        perform freshness.gather_spent_calls(p_source);
    end if;
end
$$;

comment on function freshness.tidy_spent_calls(text, freshness.used_calls) is
    'Keeps what a source has spent short, when freshness.used_calls finds it untidy: moves away what no minute counts'
    ' any more, or gathers the others. Called with the source''s row locked.';
-- <<<

-- >>> sql/465_open_source.sql
-- The budget side of a claim: opened before it chooses, charged with what it chose. The row of the source stays locked
-- until the claim commits.
create function freshness.open_source(p_source text)
returns table (calls integer, bytes bigint)
language plpgsql
rows 1
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_source freshness.sources;
    v_used freshness.used_calls;
begin
    select * into v_source from freshness.sources as s where s.name = p_source for no key update;
    if not found then
        return query select null::integer, null::bigint;
        return;
    end if;
    v_used := freshness.used_calls(p_source);
    if v_used.is_untidy then
        perform freshness.tidy_spent_calls(p_source, v_used);
        v_used := freshness.used_calls(p_source);
    end if;
    return query select a.calls, a.bytes from freshness.allowance(v_source, v_used) as a;
end
$$;

comment on function freshness.open_source(text) is
    'Locks a source and returns the calls and bytes that may be claimed now; null: no limit.';

create function freshness.open_sources(p_data_types text[], p_lead interval)
returns jsonb
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
-- A plan that expects many due jobs would look for one in the table, past all that are not.
set enable_seqscan = off
as $$
declare
    v_horizon timestamptz := clock_timestamp() + p_lead;
begin
    if not exists (
        select from freshness.data_types as t where t.name = any (p_data_types) and t.source is not null
    ) then
        return '{}'::jsonb;
    end if;
    return (
        select coalesce(jsonb_object_agg(o.name, to_jsonb(a)), '{}')
        from (
            -- In one order for all, and only those that something waits for.
            select distinct s.name
            from freshness.data_types as t
            join freshness.sources as s on s.name = t.source
            cross join generate_series(9, 0, -1) as class (priority)
            cross join lateral (
                select from freshness.jobs as j
                where
                    j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
                    and j.due_at <= v_horizon
                -- In order, or any plan reads all jobs to find that none is due.
                order by j.due_at
                limit 1
            ) as d
            where t.name = any (p_data_types)
            order by s.name
        ) as o
        cross join lateral freshness.open_source(o.name) as a
    );
end
$$;

comment on function freshness.open_sources(text[], interval) is
    'Opens the sources that due jobs of these data types need: {"name": {"calls": 5, "bytes": null}}.';

create function freshness.charge_sources(p_worker bigint, p_since timestamptz, p_sources text[], p_short text[])
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    update freshness.sources as s
    set
        tokens = freshness.tokens(s, v_now) - c.calls,
        tokens_at = v_now,
        short_since = case when s.name = any (p_short) then coalesce(s.short_since, v_now) end,
        opens_at = null
    from (
        select t.source, coalesce(sum(j.calls), 0) as calls
        from freshness.data_types as t
        left join freshness.jobs as j
            on j.data_type = t.name and j.state = 'running' and j.worker = p_worker and j.started_at >= p_since
        where t.source = any (p_sources)
        group by t.source
    ) as c
    where s.name = c.source and (c.calls > 0 or s.short_since is not null or s.name = any (p_short));

    update freshness.sources as s
    -- Something may be allowed, but not as much as the next job costs: soon again, unless it is bytes that are short.
    set opens_at = (
        select
            coalesce(
                a.opens_at,
                v_now + case
                    when a.calls < (select max(t.calls_per_refresh) from freshness.data_types as t where t.source = s.name)
                        then interval '250 milliseconds'
                    else interval '1 minute'
                end
            )
        from freshness.allowance(s) as a
    )
    where s.name = any (p_short);
end
$$;

comment on function freshness.charge_sources(bigint, timestamptz, text[], text[]) is
    'Takes what a worker has claimed since p_since from the sources'' even pace, and writes down which of them due jobs'
    ' have to wait for, and until when.';
-- <<<

-- >>> sql/467_have_plenty.sql
-- Most sources are far from their limits most of the time: then a claim need not choose by what they allow, and has
-- nothing to write down.
create function freshness.have_plenty(p_sources text[], p_calls integer)
returns boolean
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_name text;
    v_source record;
    v_used freshness.used_calls;
begin
    -- In one order for all: each is locked.
    foreach v_name in array p_sources loop
        select
            s.calls_per_minute, s.calls_in_flight,
            s.burst is not null or s.bytes_per_30_days is not null or s.short_since is not null
            or s.opens_at is not null or s.pauses > 0 or s.paused_until > clock_timestamp() as is_special
        into v_source
        from freshness.sources as s
        where s.name = v_name
        for no key update;
        if found then
            if v_source.is_special then
                return false;
            end if;
            v_used := freshness.used_calls(v_name);
            if v_used.is_untidy then
                perform freshness.tidy_spent_calls(v_name, v_used);
            end if;
            if
                v_source.calls_per_minute - v_used.calls - v_used.recent < p_calls
                or v_source.calls_in_flight - v_used.calls < p_calls
            then
                return false;
            end if;
        end if;
    end loop;
    return true;
end
$$;

comment on function freshness.have_plenty(text[], integer) is
    'Locks sources, given in order, and says whether each of them allows so many calls now, without a pace, bytes or a'
    ' shortage to keep account of. One that is not registered allows any.';
-- <<<

-- >>> sql/470_pause_source.sql
-- When a source fails or asks to be left alone, all its jobs wait; their own backoff does not count up.
create function freshness.pause_source(p_source text, p_until timestamptz, p_reason text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.sources as s
    set
        paused_until = greatest(s.paused_until, least(p_until, clock_timestamp() + interval '1 day')),
        pause_reason = left(p_reason, 1000)
    where s.name = p_source;
end
$$;

comment on function freshness.pause_source(text, timestamptz, text) is
    'Lets no call of a source start before p_until, a day ahead at most: it asked for that (Retry-After, 429).';

create function freshness.note_source_failure(p_source text, p_reason text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    -- Calls that were under way when a pause began say nothing new.
    update freshness.sources as s
    set
        failures = s.failures + 1,
        pauses = s.pauses + f.is_pause::integer,
        paused_until = case when f.is_pause then f.until else s.paused_until end,
        pause_reason = case when f.is_pause then left(p_reason, 1000) else s.pause_reason end
    from (
        select
            o.failures >= 4 or o.pauses > 0 as is_pause,
            clock_timestamp() + least(interval '10 seconds' * power(2, least(o.pauses, 10)), interval '10 minutes')
            * (0.9 + 0.2 * random()) as until
        from freshness.sources as o
        where o.name = p_source
    ) as f
    where s.name = p_source and coalesce(s.paused_until, '-infinity') <= clock_timestamp();
end
$$;

comment on function freshness.note_source_failure(text, text) is
    'Counts a failure of the source itself. From the fifth in a row on it is paused, for 10 s and then twice as long'
    ' each time, 10 minutes at most; after a pause one call at a time tries whether it is back.';

create function freshness.note_source_success(p_source text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.sources as s set failures = 0, pauses = 0, pause_reason = null, opens_at = null
    where s.name = p_source and (s.failures > 0 or s.pauses > 0);
end
$$;

comment on function freshness.note_source_success(text) is 'Ends the count of failures: the source answers again.';

create function freshness.next_of_source(p_source text, p_due_at timestamptz)
returns timestamptz
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    if p_source is not null and exists (
        select from freshness.sources as s where s.name = p_source and s.short_since is not null
    ) then
        return least(p_due_at, clock_timestamp());
    end if;
    return p_due_at;
end
$$;

comment on function freshness.next_of_source(text, timestamptz) is
    'When a worker that has ended a call should claim again: at once if due jobs wait for the source, else at'
    ' p_due_at.';
-- <<<

-- >>> sql/498_reconsider_once.sql
-- What is found out here holds for jobs as the statement saw them. One that somebody, such as a finish, has moved since
-- is locked and left as it is: what we saw is older than what it says.
create function freshness.reconsider_once(p_data_type text, p_symbols text[], p_data_changed boolean)
returns table (symbol text, outcome text, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
-- There may be 20,000 keys where the planner sees ten, and any number of jobs where it sees none: each step goes from
-- key to key by the primary key, or by the place of a row that is locked.
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
begin
    return query
    with looked as materialized (
        select
            l.symbol, l.stored_at, l.fresh_until, t.priority, t.keep_warm, t.estimated_size_bytes,
            -- Nothing was missed when refresh_ahead is measured anew, or a staleness function is asked again.
            j.run_at <= j.fresh_until and (t.staleness_function is not null or (
                t.refresh_ahead_is_auto and l.fresh_until >= j.fresh_until)) as may_come_earlier,
            greatest(l.refresh_at, v_now) as run_at, coalesce(w.viewers, 0) as viewers,
            w.viewers is null and j.requested_at is null and j.required_as_of is null as is_idle,
            j.job, j.version, coalesce(l.problem like '55P03%', false) as is_locked
        from freshness.look(p_data_type, p_symbols) as l
        -- Each that is watched is looked at, so that it is a left join: but a full one is never done all with all.
        full join freshness.live_watches(p_data_type, p_symbols) as w on w.symbol = l.symbol
        join freshness.data_types as t on t.name = p_data_type
        left join lateral (
            select o.*, o as job, o.xmin as version
            from freshness.jobs as o
            where o.data_type = p_data_type and o.symbol = l.symbol
            limit 1
        ) as j on true
    ),

    wanted as materialized (
        select
            l.*,
            case
                when (l.job).state = 'running' then case when p_data_changed then 'marked' end
                when l.is_idle and (l.job).unwatched_at is null then 'unwatched'
                when
                    l.is_idle and (l.job).run_at <= (l.job).unwatched_at + l.keep_warm
                    and (l.job).unwatched_at <= v_now
                    then null
                when l.is_idle or (l.job).unwatched_at is not null then 'moved'
                when (l.job).run_at > case when (l.job).required_as_of is null then l.run_at else v_now end then
                    case when l.may_come_earlier then 'earlier' else 'moved' end
            end as outcome
        from looked as l
    ),

    differing as materialized (
        select w.*, coalesce(w.outcome, 'counted') as what
        from wanted as w
        where not w.is_locked and (w.job).symbol is not null and (w.outcome is not null or (w.job).viewers <> w.viewers)
    ),

    -- Each step hands on all that the next one needs: a join of two steps would be planned for ten rows.
    free as materialized (
        select d.*, j.place, j.version = d.version as is_as_seen
        from differing as d
        cross join lateral (
            select o.ctid as place, o.xmin as version
            from freshness.jobs as o
            where o.data_type = p_data_type and o.symbol = d.symbol
            for update skip locked
        ) as j
    ),

    changed as (
        update freshness.jobs as j
        set
            -- On a running job: look again at its finish.
            run_at = case
                when w.what = 'counted' then j.run_at
                when w.what = 'marked' then v_now
                when w.is_idle then least(j.run_at, least(j.unwatched_at, v_now) + w.keep_warm)
                when j.required_as_of is not null then v_now
                else least(w.run_at, case when j.unwatched_at is null then j.run_at end)
            end,
            unwatched_at = case
                when w.what = 'counted' then j.unwatched_at
                when w.is_idle and w.what <> 'marked' then least(j.unwatched_at, v_now)
            end,
            viewers = w.viewers,
            stored_at = w.stored_at,
            verified_at = case
                when coalesce(w.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity') then j.verified_at
            end,
            fresh_until = w.fresh_until
        from free as w where j.ctid = w.place and w.is_as_seen
        returning j.symbol, w.what as outcome, case when j.state <> 'running' then j.due_at end as due_at
    ),

    added as (
        insert into freshness.jobs (
            data_type, symbol, priority, run_at, stored_at, fresh_until, viewers, estimated_size_bytes
        )
        select
            p_data_type, w.symbol, w.priority, w.run_at, w.stored_at, w.fresh_until, w.viewers, w.estimated_size_bytes
        from wanted as w
        where not w.is_locked and (w.job).symbol is null and w.viewers > 0
        order by w.symbol
        on conflict do nothing
        returning symbol, 'added' as outcome, due_at
    )

    select c.* from changed as c union all select a.* from added as a union all
    select f.symbol, 'overtaken', null from free as f where not f.is_as_seen union all
    select d.symbol, 'locked', v_now from differing as d where d.symbol not in (select f.symbol from free as f) union all
    select w.symbol, 'table locked', v_now + interval '1 second' from wanted as w where w.is_locked;
end
$$;

comment on function freshness.reconsider_once(text, text[], boolean) is
    'Part of reconsider: one look at these keys. overtaken: the job was moved since the look began, and is locked now;'
    ' nothing was done. due_at: when there is something to do for it.';
-- <<<

-- >>> sql/500_reconsider.sql
-- What a key's job should be, from its watches and its stored rows. The fold asks it for the keys in the inbox, the
-- sweep for those that differ. It waits for nobody: a job that is held right now is reported as locked.
create function freshness.reconsider(
    p_data_type text, p_symbols text[] default null, p_data_changed boolean default false
)
returns table (symbol text, outcome text)
language plpgsql
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_looked text[];
    v_outcomes text[];
    v_due_at timestamptz;
    v_first timestamptz;
    v_left text[] := coalesce(p_symbols, array(
        select j.symbol from freshness.jobs as j where j.data_type = p_data_type
        union select w.symbol from freshness.watches as w where w.data_type = p_data_type
    ));
begin
    -- Those that were moved during the first look are held by us at the second, so that nobody moves them again.
    for v_look in 1..2 loop
        select array_agg(r.symbol), array_agg(r.outcome), min(r.due_at) into v_looked, v_outcomes, v_due_at
        from freshness.reconsider_once(p_data_type, v_left, p_data_changed) as r;
        return query
        select o.symbol, o.outcome from unnest(v_looked, v_outcomes) as o (symbol, outcome)
        where o.outcome <> 'overtaken';
        v_first := least(v_first, v_due_at);
        v_left := array(
            select o.symbol from unnest(v_looked, v_outcomes) as o (symbol, outcome) where o.outcome = 'overtaken'
        );
        exit when v_left = '{}';
    end loop;
    if v_first is not null then
        perform freshness.wake(p_data_type, v_first);
    end if;
end
$$;

comment on function freshness.reconsider(text, text[], boolean) is
    'Gives these keys of a data type (null: all that have a job or a watch) the job that they should have: added when'
    ' watched without one; moved when it waits for too late a moment; unwatched when nobody wants it, which lets it go'
    ' after keep_warm; counted when only its viewers changed. p_data_changed: running ones are marked, to be looked at'
    ' again. earlier: moved too, but nothing was missed (refresh_ahead is measured, or a staleness function was asked'
    ' again). locked: held by another transaction, to be tried again; table locked: the data table is. Keys that are'
    ' right already are not returned.';
-- <<<

-- >>> sql/505_raise_priorities.sql
create function freshness.raise_priorities(p_data_type text, p_pulls freshness.pulls[])
returns void
language plpgsql
set search_path = pg_temp
-- From key to key by the primary key, however few jobs the planner takes them for.
set enable_seqscan = off
as $$
begin
    with asked as materialized (
        select p.symbol, max(p.priority) as priority
        from unnest(p_pulls) as p
        where p.data_type = p_data_type and p.priority is not null
        group by p.symbol
    ),

    lower as materialized (
        select a.symbol, a.priority, j.version
        from asked as a
        cross join lateral (
            select o.xmin as version
            from freshness.jobs as o
            where o.data_type = p_data_type and o.symbol = a.symbol and o.priority < a.priority
            limit 1
        ) as j
    ),

    free as materialized (
        select l.symbol, l.priority, j.place
        from lower as l
        cross join lateral (
            select o.ctid as place, o.xmin as version
            from freshness.jobs as o
            where o.data_type = p_data_type and o.symbol = l.symbol
            for update skip locked
        ) as j
        -- One that was moved meanwhile is not at the place that this statement sees.
        where j.version = l.version
    ),

    raised as (
        update freshness.jobs as j
        set priority = f.priority
        from free as f
        where j.ctid = f.place
    )

    insert into freshness.pulls (data_type, symbol, priority, reason)
    select p_data_type, l.symbol, l.priority, 'locked'
    from lower as l
    where l.symbol not in (select f.symbol from free as f);
end
$$;

comment on function freshness.raise_priorities(text, freshness.pulls[]) is
    'Gives jobs of a data type the priority that these pulls ask for, if it is higher. One that somebody holds or'
    ' has just moved keeps its pull.';
-- <<<

-- >>> sql/507_fold_keys.sql
create function freshness.fold_keys(p_data_type text, p_pulls freshness.pulls[])
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_asked record;
    v_symbols text[];
    v_slice constant integer := 5000;
    v_second constant interval := interval '1 second';
begin
    select
        bool_or(p.reason in ('data changed', 'truncated', 'all keys')) as data_changed,
        coalesce(
            array_agg(distinct p.symbol) filter (where p.reason not in ('truncated', 'all keys')), '{}'
        ) as symbols,
        array_agg(distinct p.symbol) filter (where p.reason = 'subscribed') as subscribed,
        -- A truncated table, or a changed row of the registry, concerns all keys: those after this one are left.
        min(coalesce(p.symbol, '')) filter (where p.reason in ('truncated', 'all keys')) as after
    into v_asked
    from unnest(p_pulls) as p;

    v_symbols := v_asked.symbols;
    if v_asked.after is not null then
        v_symbols := freshness.keys_after(p_data_type, v_asked.after, v_slice);
        insert into freshness.pulls (data_type, symbol, reason)
        select p_data_type, v_symbols[v_slice], 'all keys'
        where cardinality(v_symbols) = v_slice;
        v_symbols := array(select unnest(v_symbols) union select unnest(v_asked.symbols));
    end if;

    -- A job that looks right, of a key that was not watched before, may be going away at this very moment: once more.
    insert into freshness.pulls (due_at, data_type, symbol, reason)
    select
        clock_timestamp() + case r.outcome when 'table locked' then v_second else interval '0' end,
        p_data_type, coalesce(r.symbol, s.symbol),
        case when v_asked.data_changed then 'data changed' when r.symbol is null then 'watched' else 'locked' end
    from freshness.reconsider(p_data_type, v_symbols, v_asked.data_changed) as r
    full join unnest(v_asked.subscribed) as s (symbol) on s.symbol = r.symbol
    where r.outcome like '%locked' or r.symbol is null;
    perform freshness.raise_priorities(p_data_type, p_pulls);
exception
    when lock_not_available or deadlock_detected then
        insert into freshness.pulls (due_at, data_type, symbol, priority, reason)
        select
            clock_timestamp() + v_second, p_data_type, p.symbol, max(p.priority),
            case when v_asked.data_changed then 'data changed' else 'locked' end
        from unnest(p_pulls) as p
        where p.symbol is not null and p.reason not in ('truncated', 'all keys')
        group by p.symbol
        union all
        select clock_timestamp() + v_second, p_data_type, nullif(v_asked.after, ''), null, 'all keys'
        where v_asked.after is not null;
    when others or assert_failure then
        insert into freshness.events (kind, data_type, message)
        values ('error', p_data_type, format('keys of %s not looked at: %s', p_data_type, sqlerrm));
end
$$;

comment on function freshness.fold_keys(text, freshness.pulls[]) is
    'Part of fold_pulls: folds the pulls of one data type, those of keys that a subscription has just brought too'
    ' (reason subscribed).';
-- <<<

-- >>> sql/510_fold_pulls.sql
-- The subscriptions of the inbox are read together, and then the keys of each data type: what is wrong with one of
-- them, or locked, is left to itself, and the others go on.
create function freshness.fold_pulls(p_limit integer default 10000)
returns integer
language plpgsql
set search_path = pg_temp
set jit = off
-- A plan that was made while the inbox was empty must not read all of it for each pull when it has filled.
set enable_seqscan = off
set lock_timeout = '20ms'
as $$
declare
    v_pulls freshness.pulls[];
    v_taken integer;
    v_now timestamptz := clock_timestamp();
    v_rows bigint[];
begin
    with taken as (
        delete from freshness.pulls as p
        where p.ctid = any (array(
            select q.ctid
            from freshness.pulls as q
            -- One that has just found something locked waits a second.
            where q.due_at not between v_now and v_now + interval '10 seconds' or q.reason = 'fresh'
            order by q.due_at, q.id
            limit p_limit
            for update skip locked
        ))
        returning p
    )

    select array_agg(t.p), count(*) into v_pulls, v_taken from taken as t;

    v_rows := array(select p.subscription_row from unnest(v_pulls) as p where p.subscription_row is not null);
    if cardinality(v_rows) > 0 then
        begin
            v_pulls := v_pulls || array(
                select row(null, null, k.data_type, k.symbol, null, null, 'subscribed')::freshness.pulls
                from freshness.record_watches(v_rows) as k
            );
        exception
            when lock_not_available or deadlock_detected then
                insert into freshness.pulls (due_at, subscription_row, reason)
                select clock_timestamp() + interval '1 second', r, 'locked' from unnest(v_rows) as r;
            when others or assert_failure then
                insert into freshness.events (kind, message) values ('error', 'subscriptions not read: ' || sqlerrm);
        end;
    end if;

    perform freshness.fold_keys(t.data_type, t.pulls)
    from (
        select p.data_type, array_agg(p) as pulls
        from unnest(v_pulls) as p
        where p.data_type is not null
        group by p.data_type
        order by p.data_type
    ) as t;
    return v_taken;
end
$$;

comment on function freshness.fold_pulls(integer) is
    'Empties the inbox into the jobs and returns the number of pulls taken. A job that somebody holds keeps its pull;'
    ' of a pull for all keys a slice is folded, and one for the rest is left.';
-- <<<

-- >>> sql/512_turns_to_fold.sql
create function freshness.turns_to_fold(p_limit integer)
returns integer
language sql
volatile
set search_path = pg_temp
as $$
    select
        (count(*) / p_limit + coalesce(sum(
            (select 1 + count(*) / 5000 from freshness.jobs as j where j.data_type = p.data_type)
            + (select count(*) / 5000 from freshness.watches as w where w.data_type = p.data_type)
        ) filter (where p.reason in ('truncated', 'all keys')), 0))::integer
    from freshness.pulls as p
$$;

comment on function freshness.turns_to_fold(integer) is
    'How often fold_pulls has to be called, with this limit, to empty the inbox, after a first time.';

create function freshness.seconds_until_fold()
returns double precision
language plpgsql
set search_path = pg_temp
as $$
begin
    -- One that was left at once waits for somebody who holds its job.
    return (
        select greatest(freshness.seconds_until(f.due_at), 0.25)
        from (select min(p.due_at) as due_at from freshness.pulls as p) as f
        where f.due_at is not null
    );
end
$$;

comment on function freshness.seconds_until_fold() is
    'In how many seconds a claim finds something in the inbox, a quarter at least; null: it is empty.';
-- <<<

-- >>> sql/515_backoff.sql
-- Waits between attempts. Part of each is random, so that keys that failed together do not come back together.

create function freshness.backoff(p_attempts integer, p_first interval, p_longest interval)
returns interval
language plpgsql
volatile
set search_path = pg_temp
as $$
begin
    return least(p_first * power(2, least(p_attempts, 20) - 1), p_longest) * (0.5 + random() / 2);
end
$$;

comment on function freshness.backoff(integer, interval, interval) is
    'Wait after the given number of failures in a row: p_first, doubling, at most p_longest, of which a random half to'
    ' all.';

create function freshness.stale_wait(p_type freshness.data_types, p_stale_since timestamptz)
returns interval
language plpgsql
volatile
set search_path = pg_temp
as $$
begin
    return least(
        greatest(clock_timestamp() - p_stale_since, p_type.ttl / 16, p_type.backoff_first),
        greatest(p_type.ttl, p_type.backoff_longest)
    ) * (0.5 + random() / 2);
end
$$;

comment on function freshness.stale_wait(freshness.data_types, timestamptz) is
    'Wait after a source answered with nothing newer than rows that are stale: as long as they have been so, which'
    ' doubles by itself, from a sixteenth of the ttl to the whole, or to backoff_longest if that is longer.';
-- <<<

-- >>> sql/520_mend_not_before.sql
-- A clock that was set back makes what is held back wait that much longer. When a refresh fails, run_at is that moment
-- and not_before is after it: so a run_at that lies ahead says by how much the clock has changed.
create function freshness.mend_not_before()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_mended integer;
begin
    update freshness.jobs as j
    set
        -- A source may ask for a week; nothing else holds longer than the data type's own times.
        not_before = least(
            case when isfinite(j.not_before) and j.run_at > v_now then v_now + (j.not_before - j.run_at) end,
            case when isfinite(j.not_before) and j.run_at <= v_now then j.not_before end,
            (
                select v_now + greatest(t.ttl, t.backoff_longest, interval '7 days') + interval '1 minute'
                from freshness.data_types as t
                where t.name = j.data_type
            )
        ),
        run_at = least(j.run_at, v_now)
    where j.ctid = any (array(
        select h.ctid
        from freshness.jobs as h
        join freshness.data_types as t on t.name = h.data_type
        where
            h.state <> 'running'
            and h.not_before > v_now
            and (
                h.run_at > v_now + interval '1 second'
                or h.not_before > v_now + greatest(t.ttl, t.backoff_longest, interval '7 days') + interval '1 minute'
            )
        for update of h skip locked
    ));
    get diagnostics v_mended = row_count;
    return v_mended;
end
$$;

comment on function freshness.mend_not_before() is
    'Brings back jobs that are held for longer than they were meant to be, since the clock was set back, and returns'
    ' their number.';
-- <<<

-- >>> sql/525_take_over.sql
create function freshness.take_over()
returns integer
language plpgsql
set search_path = pg_temp
-- The running jobs are found by their index, and changed where they are, however few the planner takes them for.
set enable_seqscan = off
set jit = off
as $$
declare
    v_places tid[];
    v_are_last boolean[];
    v_first interval[];
    v_longest interval[];
    v_workers bigint[];
    v_channel text;
begin
    -- The clock was set back: who is heard of in the future would never be dead. Its time begins anew.
    if exists (select from freshness.workers as w where w.seen_at > clock_timestamp() + w.heartbeat_limit) then
        update freshness.workers as w
        set seen_at = clock_timestamp()
        where w.id in (
            select o.id
            from freshness.workers as o
            where o.seen_at > clock_timestamp() + o.heartbeat_limit
            for update skip locked
        );
    end if;

    with dead as materialized (
        select
            j.data_type, j.symbol, j.worker, j.fence, j.attempts + 1 >= t.max_attempts as is_last,
            t.backoff_first, t.backoff_longest
        from freshness.jobs as j
        left join freshness.data_types as t on t.name = j.data_type
        left join freshness.workers as w on w.id = j.worker
        where
            j.state = 'running'
            and (
                w.id is null
                or freshness.last_sign(w.seen_at, j.started_at, w.heartbeat_limit) + w.heartbeat_limit < clock_timestamp()
            )
    ),

    -- By its fence: another one may have taken a job over since this began, and run it.
    held as materialized (
        select d.*, j.place
        from dead as d
        cross join lateral (
            select o.ctid as place
            from freshness.jobs as o
            where o.data_type = d.data_type and o.symbol = d.symbol and o.fence = d.fence
            for update skip locked
        ) as j
    ),

    noted as (
        insert into freshness.events (kind, data_type, symbol, worker, fence, message)
        select 'taken_over', h.data_type, h.symbol, h.worker, h.fence, 'no heartbeat from its worker'
        from held as h
    )

    select
        array_agg(h.place), array_agg(h.is_last), array_agg(h.backoff_first), array_agg(h.backoff_longest),
        array_agg(distinct h.worker)
    into v_places, v_are_last, v_first, v_longest, v_workers
    from held as h;
    if v_places is null then
        return 0;
    end if;
    -- A statement of its own sees them as they were locked, at their places.
    update freshness.jobs as j
    set
        -- A refresh that kills its worker must not kill one after the other.
        state = case when h.is_last then 'failed' else 'scheduled' end::freshness.job_state,
        worker = null, fence = null, started_at = null, waited = null, run_at = clock_timestamp(),
        attempts = j.attempts + 1,
        not_before = case
            when h.is_last then clock_timestamp() + interval '1 hour'
            when j.attempts > 0
                then clock_timestamp() + freshness.backoff(j.attempts, h.backoff_first, h.backoff_longest)
        end,
        last_error = 'no heartbeat from its worker'
    from unnest(v_places, v_are_last, v_first, v_longest) as h (place, is_last, backoff_first, backoff_longest)
    where j.ctid = h.place;
    -- Nobody hands them anything more, nor leaves the time to them, until they look.
    for v_channel in
        select s.channel from freshness.sleepers as s where s.worker = any (v_workers) for update skip locked
    loop
        perform freshness.disarm(v_channel);
    end loop;
    return cardinality(v_places);
end
$$;

comment on function freshness.take_over() is
    'Makes due what dead workers were running, or sets it aside after max_attempts, and returns the number of jobs.'
    ' Their fences are void from then on.';
-- <<<

-- >>> sql/527_somebody_died.sql
-- Handed over by a transaction that was committed when its worker had left, say. One look into the index for each
-- worker that runs something, however many jobs those are.
create function freshness.runs_for_nobody()
returns boolean
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return exists (
        with recursive running as (
            (select j.worker from freshness.jobs as j where j.state = 'running' order by j.worker limit 1)
            union all
            select (
                select j.worker from freshness.jobs as j
                where j.state = 'running' and j.worker > r.worker
                order by j.worker limit 1
            )
            from running as r
            where r.worker is not null
        )

        select from running as r
        where r.worker is not null and r.worker not in (select w.id from freshness.workers as w)
    );
end
$$;

comment on function freshness.runs_for_nobody() is 'Whether jobs run for workers that are not on the list.';

create function freshness.somebody_died()
returns boolean
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return exists (
        select from freshness.workers as w
        where
            w.seen_at > clock_timestamp() + w.heartbeat_limit
            or (
                w.seen_at + w.heartbeat_limit < clock_timestamp()
                and exists (
                    select from freshness.jobs as j
                    where
                        j.worker = w.id and j.state = 'running'
                        and freshness.last_sign(w.seen_at, j.started_at, w.heartbeat_limit) + w.heartbeat_limit
                        < clock_timestamp()
                    limit 1
                )
            )
    ) or freshness.runs_for_nobody();
end
$$;

comment on function freshness.somebody_died() is
    'Whether freshness.take_over has anything to do: a worker that runs something has not been heard of for its'
    ' heartbeat_limit, is not on the list any more, or was seen in the future.';
-- <<<

-- >>> sql/530_due_jobs.sql
-- Which of the due jobs come first. When all can be served their order hardly matters; when not, viewers times age
-- keeps the most viewers with fresh data without letting anything grow old for ever, where "most overdue first" is the
-- worst order of all (docs/sources.md).
create function freshness.due_jobs(
    p_data_types text[],
    p_limit integer,
    p_lead interval,
    p_allowed jsonb,
    out places tid[],
    out due freshness.jobs[],
    out short text[]
)
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
-- The places are known: nothing else is read, however few rows the plan was made for.
set enable_seqscan = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_ranked tid[];
    v_places tid[];
begin
    places := '{}';
    due := '{}';
    -- An idle worker's claim finds one job, and nothing to rank, unless a source has to allow it.
    v_ranked := array(
        select d.ctid
        from freshness.data_types as t
        cross join generate_series(9, 0, -1) as class (priority)
        cross join lateral (
            select j.ctid
            from freshness.jobs as j
            where
                j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
                and j.due_at <= v_now + case when t.staleness_function is null then p_lead else interval '0' end
            order by j.due_at
            limit 2
        ) as d
        where t.name = any (p_data_types)
        limit 2
    );
    if cardinality(v_ranked) > 1 or p_allowed <> '{}' then
        with candidates as materialized (
            select
                j.ctid as place, t.source, t.calls_per_refresh, coalesce(j.estimated_size_bytes, 0) as bytes,
                -- Age lifts a key through the classes: nothing waits for ever. (extract makes slow numerics.)
                j.priority + floor(date_part('epoch', v_now - j.run_at) / (10 * date_part('epoch', t.ttl))) as class,
                j.requested_at is not null or (j.stored_at is null and j.verified_at is null) as is_asked_for,
                greatest(j.viewers, 1) * date_part('epoch', v_now - j.run_at + t.ttl) as score
            from generate_series(9, 0, -1) as class (priority)
            cross join freshness.data_types as t
            cross join lateral (
                select d.ctid, d.*
                from freshness.jobs as d
                where
                    d.data_type = t.name and d.priority = class.priority and d.state <> 'running'
                    -- A staleness function knows nothing ahead: it is asked at the deadline.
                    and d.due_at <= v_now + case when t.staleness_function is null then p_lead else interval '0' end
                order by d.due_at
                limit case
                    -- A source that may not serve all of them needs the best of many.
                    when (p_allowed -> t.source ->> 'calls')::bigint < 5000 * t.calls_per_refresh then 5000
                    when (p_allowed -> t.source ->> 'bytes')::bigint < 10000000000 then 5000
                    else greatest(2 * p_limit, 100)
                end
            ) as j
            where t.name = any (p_data_types)
        ),

        ranked as materialized (
            select
                c.place, c.source,
                row_number() over best as rank,
                sum(c.calls_per_refresh) over (
                    partition by c.source order by class desc, is_asked_for desc, score desc, place
                )
                <= (p_allowed -> c.source ->> 'calls')::bigint as has_calls,
                sum(c.bytes) over (partition by c.source order by class desc, is_asked_for desc, score desc, place)
                <= (p_allowed -> c.source ->> 'bytes')::bigint as has_bytes
            from candidates as c
            window best as (order by c.class desc, c.is_asked_for desc, c.score desc, c.place)
        )

        select
            array_agg(r.place order by r.rank)
            filter (where coalesce(r.has_calls, true) and coalesce(r.has_bytes, true)),
            array_agg(distinct r.source) filter (where not r.has_calls or not r.has_bytes)
        into v_ranked, short
        from ranked as r;
    end if;

    -- Twice as many as asked for: others may hold some of them. If they hold most of them, those that come next.
    for v_round in 1..2 loop
        v_places := case v_round when 1 then v_ranked[:2 * p_limit] else v_ranked[2 * p_limit + 1:] end;
        exit when coalesce(cardinality(v_places), 0) = 0 or cardinality(due) >= p_limit;
        select places || array_agg(l.place), due || array_agg(l.job)
        into places, due
        from (
            select j.ctid as place, j as job
            from freshness.jobs as j
            -- Not asked by state: an index for that would be read whole. Only a running job has a worker.
            where j.ctid = any (v_places) and j.worker is null and j.due_at <= v_now + p_lead
            order by array_position(v_places, j.ctid)
            limit p_limit - cardinality(due)
            for update skip locked
        ) as l;
    end loop;
end
$$;

comment on function freshness.due_jobs(text[], integer, interval, jsonb) is
    'Part of claim: locks up to p_limit jobs of these data types that are due within p_lead, the best first: by class'
    ' (priority, and one more for each 10 ttl of waiting), what somebody asked for, viewers times age. p_allowed: what'
    ' sources allow, {"name": {"calls": 5, "bytes": null}}; short: those of them that due jobs have to wait for.'
    ' places: where the locked rows are.';
-- <<<

-- >>> sql/531_lock_best.sql
-- Most claims find no source short and get what they ask for: then the best of those that have waited longest are
-- chosen without adding anything up, and locked by the same statement.
create function freshness.lock_best(
    p_data_types text[],
    p_limit integer,
    p_lead interval,
    out places tid[],
    out data_types text[],
    out sources text[],
    out most_calls integer,
    out are_all boolean
)
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
-- The places are known: nothing else is read, however few rows the plan was made for.
set enable_seqscan = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_first text;
    v_last text;
    v_source text;
begin
    select
        array_agg(l.place), max(l.calls_per_refresh), min(l.data_type), max(l.data_type), min(l.source)
    into places, most_calls, v_first, v_last, v_source
    from (
        select j.ctid as place, j.data_type, r.source, r.calls_per_refresh
        from (
            select d.ctid as place, t.source, t.calls_per_refresh
            from freshness.data_types as t
            cross join generate_series(9, 0, -1) as class (priority)
            cross join lateral (
                select j.ctid, j.priority, j.run_at, j.requested_at, j.stored_at, j.verified_at, j.viewers
                from freshness.jobs as j
                where
                    j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
                    -- A staleness function knows nothing ahead: it is asked at the deadline.
                    and j.due_at <= v_now + case when t.staleness_function is null then p_lead else interval '0' end
                order by j.due_at
                -- To choose among more costs a claim of few little.
                limit case when p_limit < 10 then 50 else 2 * p_limit end
            ) as d
            where t.name = any (p_data_types)
            -- As due_jobs ranks them.
            order by
                d.priority + floor(date_part('epoch', v_now - d.run_at) / (10 * date_part('epoch', t.ttl))) desc,
                d.requested_at is not null or (d.stored_at is null and d.verified_at is null) desc,
                greatest(d.viewers, 1) * date_part('epoch', v_now - d.run_at + t.ttl) desc,
                d.ctid
            -- Twice as many as asked for: others may hold some of them.
            limit 2 * p_limit
        ) as r
        join freshness.jobs as j on j.ctid = r.place
        where j.worker is null and j.due_at <= v_now + p_lead
        limit p_limit
        for update of j skip locked
    ) as l;

    if v_first = v_last then
        data_types := array[v_first];
        sources := array_remove(array[v_source], null);
    else
        data_types := array(select distinct j.data_type from freshness.jobs as j where j.ctid = any (places) order by 1);
        sources := array(
            select distinct t.source
            from freshness.data_types as t
            where t.name = any (data_types) and t.source is not null
            order by 1
        );
    end if;
    are_all := coalesce(cardinality(places), 0) < p_limit;
    if are_all then
        are_all := coalesce(cardinality(places), 0) = (
            select count(*)
            from (
                select
                from freshness.data_types as t
                cross join generate_series(9, 0, -1) as class (priority)
                cross join lateral (
                    select
                    from freshness.jobs as j
                    where
                        j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
                        and j.due_at <= v_now + case when t.staleness_function is null then p_lead else interval '0' end
                    order by j.due_at
                    limit p_limit
                ) as d
                where t.name = any (p_data_types)
                limit p_limit
            ) as d
        );
    end if;
end
$$;

comment on function freshness.lock_best(text[], integer, interval) is
    'Part of claim: locks up to p_limit jobs of these data types that are due within p_lead, the best first'
    ' (freshness.due_jobs), as if no source were short. places: where they are; sources: those they need; most_calls:'
    ' of one of them; are_all: no others are due.';
-- <<<

-- >>> sql/532_claims_plain.sql
-- What a claim says of a job that it hands out.
create type freshness.claimed_job as (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean
);

-- The claim decides about sets of any data type, which takes it longer than the rest. Nearly all due jobs are plain:
-- still wanted, stale, of a table that can be read. These are looked at and set running by one statement, written for
-- each table that is registered, like the look. All others are left as they are, locked.
create function freshness.claims_plain(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format(
        $body$
        return query
        update freshness.jobs as o
        set
            state = 'running', run_at = 'infinity', worker = p_worker, fence = nextval('freshness.fences'),
            started_at = clock_timestamp(), waited = greatest(date_part('epoch', clock_timestamp() - g.due_at), 0),
            calls = g.calls, unwatched_at = null, viewers = g.viewers, stored_at = g.stored_at,
            fresh_until = g.fresh_until,
            verified_at = case
                when coalesce(g.stored_at, '-infinity') >= coalesce(o.stored_at, '-infinity') then o.verified_at
            end
        from (
            select
                p.place, d.stored_at, f.fresh_until, w.viewers,
                greatest(j.due_at, case when j.required_as_of is null then a.refresh_at end) as due_at,
                case when t.source = any (p_sources) then t.calls_per_refresh else 0 end as calls
            from freshness.data_types as t
            cross join unnest(p_places) as p (place)
            join freshness.jobs as j on j.ctid = p.place and j.data_type = %1$L and j.state = 'scheduled'
            cross join lateral (select j.symbol, null::timestamptz as verified_at) as k
            %2$s
            cross join lateral (
                select count(*)::integer as viewers
                from freshness.watches as i
                where
                    i.data_type = %1$L and i.symbol = k.symbol
                    and (
                        i.lease_until > clock_timestamp()
                        -- With an offset it is looked up for each, whatever there is to look through.
                        or exists (
                            select from realtime.subscription as s
                            where s.id = i.subscription_row and s.subscription_id = i.subscription_id
                            offset 0
                        )
                    )
            ) as w
            where
                t.name = %1$L and t.data_table::text = t.look_reads
                and (
                    j.required_as_of is not null
                    or ((w.viewers > 0 or j.requested_at is not null) and (a.refresh_at > p_horizon) is not true)
                )
        ) as g
        where o.ctid = g.place
        returning
            o.data_type, o.symbol, o.fence, o.started_at, o.stored_at, o.attempts, g.due_at,
            case when o.verified_at is not null then o.validators end, o.alone;$body$,
        p_type.name, freshness.look_joins(p_type)
    );
end
$define$;

comment on function freshness.claims_plain(freshness.data_types) is
    'PL/pgSQL that sets running those of the scheduled jobs at p_places that are of this data type, wanted and stale,'
    ' and returns them as freshness.claimed_job.';
-- <<<

-- >>> sql/533_claim_plain_body.sql
-- A session plans the statements of the data types that it claims, once.
create function freshness.claim_plain_body()
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
declare
    v_type freshness.data_types;
    v_body text := '';
begin
    for v_type in
        select t.* from freshness.data_types as t
        join pg_catalog.pg_class as c on c.oid = t.data_table
        where t.staleness_function is null and t.not_before_function is null
        order by t.name
        -- A session compiles all of it at its first claim.
        limit 50
    loop
        begin
            v_body := v_body || format(
                e'\n        %s v_type = %L then%s',
                case v_body when '' then 'if' else 'elsif' end, v_type.name, freshness.claims_plain(v_type)
            );
        exception
            -- A column is gone: the claim knows what to do.
            when others then
                null;
        end;
    end loop;
    if v_body = '' then
        -- Said so that no check finds a parameter unused.
        return ' begin perform p_worker, p_data_types, p_places, p_sources, p_horizon; end ';
    end if;
    return format(
        $body$
#variable_conflict use_column
declare
    v_type text;
begin
    -- Realtime can be switched off, and then its table is not there.
    if to_regclass('realtime.subscription') is null then
        return;
    end if;
    foreach v_type in array p_data_types loop%s
        end if;
    end loop;
end
$body$,
        v_body
    );
end
$define$;

comment on function freshness.claim_plain_body() is
    'PL/pgSQL of freshness.claim_plain for the data types that are registered.';
-- <<<

-- >>> sql/535_claim.sql
-- Plans are kept: with the arrays' lengths in view Postgres would plan most of these statements at each call.
create function freshness.claim(
    p_worker bigint,
    p_data_types text[],
    p_limit integer,
    p_channel text default null,
    p_listener integer default null,
    p_lead interval default '0'
)
returns table (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean
)
language plpgsql
rows 10
set search_path = pg_temp
-- A data table that is being altered concerns its own keys only: they are set aside for a minute.
set lock_timeout = '1s'
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_best record;
    v_now timestamptz := clock_timestamp();
    v_left integer := p_limit;
    v_claimed integer;
    v_is record;
    v_is_done boolean := false;
begin
    -- Locked, so that whoever takes the worker from the list waits for its claims. Heard of is written down rarely: two
    -- claims of one worker need not wait for each other.
    select
        w.seen_at > v_now + interval '1 second' as is_set_back,
        w.seen_at < v_now - least(w.heartbeat_limit / 8, interval '5 seconds') as is_long_ago,
        (select min(p.due_at) from freshness.pulls as p) <= v_now as has_pulls,
        exists (select from freshness.jobs as j where j.state = 'running' and j.worker < p_worker)
        or exists (select from freshness.jobs as j where j.state = 'running' and j.worker > p_worker) as others_run,
        exists (select from freshness.sleepers as s where s.worker <> p_worker) as others_sleep,
        exists (select from freshness.sleepers as s where s.channel = p_channel) as is_asleep,
        exists (select from freshness.listeners as l where l.is_told_of_starts) as is_told
    into v_is
    from freshness.workers as w
    where w.id = p_worker
    for key share of w;
    if not found then
        raise exception using errcode = 'FR004', message = format('worker %s is not announced', p_worker),
            hint = 'It was taken for dead, or has left; announce it anew with freshness.announce_worker.';
    end if;
    if v_is.is_set_back or v_is.is_long_ago then
        perform freshness.seen(p_worker);
    end if;
    if v_is.is_set_back then
        -- The clock was: what waits for its deadline would wait that much longer.
        perform freshness.pull_all_keys(t.name) from freshness.data_types as t order by t.name;
    end if;
    if v_is.has_pulls or v_is.is_set_back then
        perform freshness.fold_pulls();
    end if;
    if v_is.others_run and freshness.somebody_died() then
        perform freshness.take_over();
    end if;

    v_now := clock_timestamp();
    begin
        v_best := freshness.lock_best(p_data_types, p_limit, p_lead);
        if v_best.places is null then
            v_is_done := v_best.are_all;
        elsif freshness.have_plenty(v_best.sources, greatest(p_limit, 5000) * v_best.most_calls) then
            -- Only what returns all its rows or none: those that were returned before an error would stay.
            if v_is.is_told then
                return query select * from freshness.claim_told(
                    p_worker, v_best.data_types, v_best.places, v_best.sources, v_now + p_lead
                );
            else
                return query select * from freshness.claim_plain(
                    p_worker, v_best.data_types, v_best.places, v_best.sources, v_now + p_lead
                );
            end if;
            get diagnostics v_claimed = row_count;
            v_left := v_left - v_claimed;
            v_is_done := v_best.are_all and v_claimed = cardinality(v_best.places);
        end if;
    exception
        -- One of its keys or tables spoils it: what follows finds out which.
        when others or assert_failure then
            null;
    end;

    if v_left > 0 and not v_is_done then
        return query select * from freshness.claim_in_rounds(p_worker, p_data_types, v_left, p_lead);
        get diagnostics v_claimed = row_count;
        v_left := v_left - v_claimed;
    end if;

    if v_left < p_limit and v_is.others_sleep then
        perform freshness.call_understudy(p_worker, p_data_types);
    end if;
    -- Without a free slot it must not be taken for one that can be woken.
    if v_left <= 0 then
        if v_is.is_asleep then
            perform freshness.disarm(p_channel);
        end if;
    elsif p_channel is null then
        null;
    elsif p_listener is null then
        perform freshness.stay_awake(p_channel);
    else
        perform freshness.arm(p_channel, p_worker, p_data_types, p_listener);
    end if;
end
$$;

comment on function freshness.claim(bigint, text[], integer, text, integer, interval) is
    'Takes up to p_limit jobs of these data types that are due or will be within p_lead, for a worker, as far as their'
    ' sources allow, the best first (freshness.due_jobs). Looks before it hands out: what nobody wants or what is fresh'
    ' goes away or to its deadline instead. Commit, and wait for due_at, before the fetch. started_at is its "as of",'
    ' fence what finish and fail ask for. With p_channel and p_listener the worker is among the sleepers afterwards if'
    ' it has a slot left (freshness.arm), and must settle before it sleeps; with p_channel alone it stays awake and'
    ' claims again within a second. FR004: the worker is not announced.';
-- <<<

-- >>> sql/537_claim_in_rounds.sql
-- The claim of whatever is due: of sources that are short, of keys that turn out to be fresh or unwanted, of data types
-- whose functions have to be asked, of tables that cannot be read.
create function freshness.claim_in_rounds(p_worker bigint, p_data_types text[], p_limit integer, p_lead interval)
returns table (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean
)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_found record;
    v_type record;
    v_now timestamptz;
    v_allowed jsonb;
    v_left integer := p_limit;
    v_claimed integer;
    v_asked integer;
begin
    -- What turns out to need no fetch makes room for more, within bounds: a claim stays a short transaction.
    for v_round in 1..10 loop
        v_now := clock_timestamp();
        v_asked := v_left;
        v_allowed := freshness.open_sources(p_data_types, p_lead);
        v_found := freshness.due_jobs(p_data_types, v_left, p_lead, v_allowed);

        for v_type in
            select
                t as registered,
                -- Set aside before, or the table has another name than the look function knows.
                bool_or(d.state = 'failed' or t.data_table::text <> t.look_reads) as is_doubtful
            from unnest(v_found.due) as d
            join freshness.data_types as t on t.name = d.data_type
            group by t.name
            order by t.name
        loop
            return query
            select *
            from freshness.decide(
                p_worker, v_type.registered, v_found.places, v_found.due, v_now + p_lead,
                case when v_type.is_doubtful then freshness.renew_look((v_type.registered).name) end
            );
            get diagnostics v_claimed = row_count;
            v_left := v_left - v_claimed;
        end loop;
        if v_allowed <> '{}' then
            perform freshness.charge_sources(p_worker, v_now, array(select jsonb_object_keys(v_allowed)), v_found.short);
        end if;
        -- Fewer were due than were asked for, and each has been claimed: no more are.
        exit when v_left <= 0 or cardinality(v_found.due) = 0 or v_asked - v_left = cardinality(v_found.due);
    end loop;
end
$$;

comment on function freshness.claim_in_rounds(bigint, text[], integer, interval) is
    'Part of claim: takes up to p_limit due jobs, the best first, or says of those that it looks at why not.';
-- <<<

-- >>> sql/540_decide.sql
create function freshness.decide(
    p_worker bigint, p_type freshness.data_types, p_places tid[], p_due freshness.jobs[],
    p_horizon timestamptz, p_problem text
)
returns table (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean
)
language plpgsql
rows 10
set search_path = pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_name text := p_type.name;
    v_has_budget boolean := exists (select from freshness.sources as s where s.name = p_type.source);
    v_symbols text[] := array(select d.symbol from unnest(p_due) as d where d.data_type = v_name);
begin
    return query
    with looked as materialized (
        select
            d.place, d.symbol, l.stored_at, l.fresh_until, l.refresh_at, coalesce(w.viewers, 0) as viewers,
            greatest(d.due_at, case when d.required_as_of is null then l.refresh_at end) as due_at,
            coalesce(p_problem, l.problem) as problem,
            case
                when coalesce(p_problem, l.problem) is not null then 'broken'
                when d.required_as_of is not null then 'fetch'
                when w.viewers is null and d.requested_at is null then
                    case when d.unwatched_at + p_type.keep_warm <= p_horizon then 'drop' else 'warm' end
                when l.refresh_at > p_horizon then 'wait'
                else 'fetch'
            end as decision
        from unnest(p_places, p_due) as d (place)
        join freshness.look(v_name, v_symbols) as l on l.symbol = d.symbol
        left join freshness.live_watches(v_name, v_symbols) as w on w.symbol = d.symbol
        where d.data_type = v_name
    ),

    decided as materialized (
        select
            l.place, l.symbol, l.stored_at, l.fresh_until, l.refresh_at, l.viewers, a.closed_until,
            greatest(l.due_at, a.closed_until) as due_at, coalesce(l.problem, a.problem) as problem,
            case when a.problem is not null then 'broken' when a.closed_until > p_horizon then 'closed'
                else l.decision end as decision
        from looked as l
        left join (
            select n.* from freshness.ask_not_before(
                v_name, array(select f.symbol from looked as f where f.decision = 'fetch')
            ) as n where p_type.not_before_function is not null
        ) as a on a.symbol = l.symbol
    ),

    dropped as (
        delete from freshness.jobs as j
        using decided as d where j.ctid = any (p_places) and j.ctid = d.place and d.decision = 'drop'
    ),

    changed as (
        update freshness.jobs as j
        set
            state = case d.decision when 'fetch' then 'running' when 'broken' then 'failed' else 'scheduled' end
            ::freshness.job_state,
            -- While it runs, run_at says when to look again whatever the outcome: never, unless somebody marks it.
            run_at = case d.decision when 'fetch' then 'infinity'
                when 'warm' then coalesce(j.unwatched_at, p_horizon) + p_type.keep_warm
                when 'wait' then d.refresh_at
                when 'closed' then j.run_at
                else p_horizon end,
            not_before = case d.decision when 'fetch' then j.not_before
                when 'broken' then p_horizon + interval '1 minute'
                -- Asked again after a week at the latest: the function may have changed its mind.
                when 'closed' then least(d.closed_until, p_horizon + interval '7 days')
            end,
            worker = case d.decision when 'fetch' then p_worker end,
            calls = case when d.decision = 'fetch' and v_has_budget then p_type.calls_per_refresh else 0 end,
            fence = case d.decision when 'fetch' then nextval('freshness.fences') end,
            started_at = case d.decision when 'fetch' then clock_timestamp() end,
            waited = case d.decision
                when 'fetch' then greatest(date_part('epoch', clock_timestamp() - d.due_at), 0) end,
            requested_at = case when d.decision <> 'wait' then j.requested_at end,
            unwatched_at = case d.decision when 'warm' then coalesce(j.unwatched_at, p_horizon) end,
            attempts = case d.decision when 'wait' then 0 else j.attempts end,
            last_error = case when d.decision = 'broken' then d.problem
                when d.decision = 'wait' or (d.decision = 'closed' and j.attempts = 0) then null
                else j.last_error end,
            viewers = d.viewers, stored_at = d.stored_at, fresh_until = d.fresh_until,
            verified_at = case
                when coalesce(d.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity') then j.verified_at
            end
        from decided as d
        where j.ctid = any (p_places) and j.ctid = d.place and d.decision <> 'drop'
        returning j.*, d.decision, d.due_at as was_due_at
    ),

    noted as (
        insert into freshness.events (kind, data_type, symbol, worker, fence, waited, message)
        select
            case c.decision when 'fetch' then 'refreshing' else 'failed' end,
            c.data_type, c.symbol, c.worker, c.fence, c.waited, case c.decision when 'broken' then c.last_error end
        from changed as c
        where c.decision = 'broken' or (
            -- A start is known by its end: it is on record for those alone who are told of it.
            c.decision = 'fetch' and exists (
                select from freshness.listeners as l
                where l.data_type = c.data_type and l.symbol = c.symbol and l.is_told_of_starts
            )
        )
    )

    select c.data_type, c.symbol, c.fence, c.started_at, c.stored_at, c.attempts, c.was_due_at,
        case when c.verified_at is not null then c.validators end, c.alone from changed as c where c.decision = 'fetch';
end
$$;

comment on function freshness.decide(bigint, freshness.data_types, tid[], freshness.jobs[], timestamptz, text) is
    'Part of claim: what becomes of due jobs of one data type, locked at p_places. Returns those to fetch, now running,'
    ' with when they may; the others wait for their deadline or for their provider to open, stay warm, go away, or are'
    ' set aside for a minute. p_horizon: what goes stale by then counts as stale; its due_at says when it does.'
    ' p_problem: why none of them can be looked at.';
-- <<<

-- >>> sql/545_ask_not_before.sql
-- Until when a provider is closed, as the data type's not-before function says. Registration writes a static call, like
-- the look function, so that its plan is kept.

create function freshness.define_not_before(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
set client_min_messages = warning
as $define$
declare
    v_name text := 'not_before_' || p_data_type;
    v_function text := (select t.not_before_function from freshness.data_types as t where t.name = p_data_type);
    v_body text := format(
        'begin return query select k.symbol, %s(k.symbol), null::text from unnest(p_symbols) as k (symbol); end',
        v_function
    );
begin
    if v_function is null then
        execute format('drop function if exists freshness.%I(text[])', v_name);
    elsif not exists (
        select from pg_catalog.pg_proc as f
        where f.pronamespace = 'freshness'::regnamespace and f.proname = v_name and f.prosrc = v_body
    ) then
        execute format(
            'create or replace function freshness.%1$I(p_symbols text[])'
            ' returns table (symbol text, closed_until timestamptz, problem text)'
            ' language plpgsql rows 10 set search_path = pg_temp as %2$L;'
            ' revoke all on function freshness.%1$I(text[]) from public;'
            ' alter function freshness.%1$I(text[]) owner to %3$s',
            v_name, v_body, freshness.owner_name()
        );
    end if;
end
$define$;

comment on function freshness.define_not_before(text) is
    'Writes the function that asks a data type''s not-before function: freshness."not_before_<name>"(symbols).';

create function freshness.ask_not_before(p_data_type text, p_symbols text[])
returns table (symbol text, closed_until timestamptz, problem text)
language plpgsql
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_half integer := cardinality(p_symbols) / 2;
begin
    return query execute format('select * from freshness.%I($1)', 'not_before_' || p_data_type) using p_symbols;
exception
    when others or assert_failure then
        if v_half > 0 and sqlstate !~ '^(40|42|53|55|57)' then
            return query
            select * from freshness.ask_not_before(p_data_type, p_symbols[:v_half])
            union all
            select * from freshness.ask_not_before(p_data_type, p_symbols[v_half + 1:]);
            return;
        end if;
        return query
        select s.symbol, null::timestamptz, 'not_before_function: ' || sqlstate || ' ' || sqlerrm
        from unnest(p_symbols) as s (symbol);
end
$$;

comment on function freshness.ask_not_before(text, text[]) is
    'For each symbol until when its provider is closed (null or past: open), or the problem that its data type''s'
    ' not-before function raised for it.';
-- <<<

-- >>> sql/546_looks_at_one.sql
-- What wakes an idle worker is one job as a rule, and somebody waits for it to start. It goes by a short way, written
-- for the tables that are registered, like that of a subscriber: this is its look at the key.
create function freshness.looks_at_one()
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_type freshness.data_types;
    v_body text := '';
begin
    for v_type in
        select t.* from freshness.data_types as t
        join pg_catalog.pg_class as c on c.oid = t.data_table
        where t.staleness_function is null and t.not_before_function is null
        order by t.name
        -- A session compiles all of it at its first claim.
        limit 50
    loop
        begin
            v_body := v_body || format(
                e'\n    %s t.data_type = %L then%s',
                case v_body when '' then 'if' else 'elsif' end, v_type.name, freshness.look_at_key(v_type)
            );
        exception
            -- A column is gone: the claim knows what to do.
            when others then
                null;
        end;
    end loop;
    if v_body = '' then
        -- Said so that no check finds what follows unreachable.
        return e'\n    if true then\n        return;\n    end if;';
    end if;
    return v_body || $body$
    else
        return;
    end if;
    if to_regclass('realtime.subscription') is null then
        v_viewers := coalesce((select l.viewers from freshness.live_watches(t.data_type, array[k.symbol]) as l), 0);
    else
        select count(*) into v_viewers
        from freshness.watches as w
        left join realtime.subscription as s on s.id = w.subscription_row and s.subscription_id = w.subscription_id
        where
            w.data_type = t.data_type and w.symbol = k.symbol
            and (s.id is not null or w.lease_until > clock_timestamp());
    end if;
$body$;
end
$$;

comment on function freshness.looks_at_one() is
    'PL/pgSQL that looks at the key k.symbol of t.data_type as freshness.look_at_key says, and sets v_viewers; or'
    ' returns.';
-- <<<

-- >>> sql/547_claim_one_body.sql
-- A claim is made for many: it takes most of its time to prepare work on sets, and to call what has nothing to do. So
-- one job goes by a short way. What is not plain is left to the claim: more than one is due, or none, something is in
-- the inbox, a worker died, the source has a budget, or the job is not to be fetched.
create function freshness.claim_one_body()
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format($body$
#variable_conflict use_column
<<k>>
declare
    v_horizon timestamptz := clock_timestamp() + p_lead;
    v_places tid[];
    v_moments timestamptz[];
    v_has_sources boolean;
    v_others_run boolean;
    t record;
    symbol text;
    v_now timestamptz;
    v_stored_at timestamptz;
    v_fresh_until timestamptz;
    v_refresh_at timestamptz;
    v_due_at timestamptz;
    v_viewers integer;
    v_claimed record;
begin
    v_others_run := exists (select from freshness.jobs as j where j.state = 'running' and j.worker < p_worker)
        or exists (select from freshness.jobs as j where j.state = 'running' and j.worker > p_worker);
    if (select min(p.due_at) from freshness.pulls as p) <= clock_timestamp() or (v_others_run and freshness.somebody_died()) then
        return;
    end if;

    select array_agg(d.ctid order by d.due_at), array_agg(d.due_at order by d.due_at), bool_or(t.source is not null)
    into v_places, v_moments, v_has_sources
    from freshness.data_types as t
    cross join generate_series(9, 0, -1) as class (priority)
    cross join lateral (
        select j.ctid, j.due_at
        from freshness.jobs as j
        where j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
        order by j.due_at
        limit 2
    ) as d
    where t.name = any (p_data_types);
    if v_moments[1] > v_horizon or v_moments[2] <= v_horizon then
        return;
    end if;

    select
        j.data_type, j.symbol, j.due_at, j.requested_at, j.required_as_of, j.stored_at, j.verified_at,
        s.ttl, s.refresh_ahead, s.jitter,
        s.source is not null or s.data_table::text <> s.look_reads as is_special
    into t
    from freshness.jobs as j
    join freshness.data_types as s on s.name = j.data_type
    where j.ctid = v_places[1] and j.state = 'scheduled' and j.due_at <= v_horizon
    for update of j skip locked;
    if not found or t.is_special then
        return;
    end if;
    k.symbol := t.symbol;

    begin%s
    exception
        when others or assert_failure then
            return;
    end;
    if
        t.required_as_of is null
        and ((v_viewers = 0 and t.requested_at is null) or v_refresh_at > v_horizon)
    then
        return;
    end if;

    update freshness.workers as w set seen_at = v_now
    where w.id = p_worker and w.seen_at <= v_now + interval '1 second';
    if not found then
        return;
    end if;
    v_due_at := greatest(t.due_at, case when t.required_as_of is null then v_refresh_at end);
    update freshness.jobs as j
    set
        state = 'running', run_at = 'infinity', worker = p_worker, fence = nextval('freshness.fences'),
        started_at = clock_timestamp(), waited = greatest(date_part('epoch', clock_timestamp() - v_due_at), 0),
        calls = 0, unwatched_at = null, viewers = v_viewers, stored_at = v_stored_at, fresh_until = v_fresh_until,
        verified_at = case
            when coalesce(v_stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity') then j.verified_at
        end
    where j.ctid = v_places[1]
    returning j.fence, j.started_at, j.attempts, j.waited, j.alone,
        case when j.verified_at is not null then j.validators end as validators
    into v_claimed;
    if exists (
        select from freshness.listeners as l
        where l.data_type = t.data_type and l.symbol = k.symbol and l.is_told_of_starts
    ) then
        insert into freshness.events (kind, data_type, symbol, worker, fence, waited)
        values ('refreshing', t.data_type, k.symbol, p_worker, v_claimed.fence, v_claimed.waited);
    end if;
    if exists (select from freshness.sleepers as s where s.worker <> p_worker) then
        perform freshness.call_understudy(p_worker, p_data_types);
    end if;
    return query select
        t.data_type, k.symbol, v_claimed.fence, v_claimed.started_at, v_stored_at, v_claimed.attempts, v_due_at,
        v_claimed.validators, v_claimed.alone,
        case when v_has_sources or v_others_run then freshness.next_moment(p_worker, p_data_types) else v_moments[2] end;
end
$body$, freshness.looks_at_one());
end
$define$;

comment on function freshness.claim_one_body() is
    'PL/pgSQL of freshness.claim_one for the data types that are registered.';
-- <<<

-- >>> sql/548_claim_one.sql
-- A job that was claimed, and when something is due next.
create type freshness.claimed_one as (
    data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz, attempts integer,
    due_at timestamptz, validators jsonb, alone boolean, next_moment timestamptz
);

create function freshness.define_claims(p_waits boolean default true)
returns void
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_one text := freshness.claim_one_body();
    v_plain text := freshness.claim_plain_body();
begin
    if (
        select count(*) = 2 from pg_catalog.pg_proc as f
        where
            f.pronamespace = 'freshness'::regnamespace
            and (f.proname, f.prosrc) in (('claim_one', v_one), ('claim_plain', v_plain))
    ) then
        return;
    end if;
    -- One at a time, each with what the one before it has registered.
    if p_waits then
        perform pg_advisory_xact_lock(hashtext('freshness.define_subscription_trigger'));
    elsif not pg_try_advisory_xact_lock(hashtext('freshness.define_subscription_trigger')) then
        return;
    end if;
    execute format(
        'create or replace function freshness.claim_one(p_worker bigint, p_data_types text[], p_lead interval)'
        ' returns setof freshness.claimed_one'
        ' language plpgsql rows 1 set search_path = pg_temp set lock_timeout = ''100ms'' set enable_seqscan = off as %L;'
        ' revoke all on function freshness.claim_one(bigint, text[], interval) from public',
        freshness.claim_one_body()
    );
    execute format(
        'create or replace function freshness.claim_plain('
        'p_worker bigint, p_data_types text[], p_places tid[], p_sources text[], p_horizon timestamptz)'
        ' returns setof freshness.claimed_job'
        ' language plpgsql rows 10 set search_path = pg_temp set lock_timeout = ''100ms'' set enable_seqscan = off'
        ' set plan_cache_mode = force_generic_plan as %L;'
        ' revoke all on function freshness.claim_plain(bigint, text[], tid[], text[], timestamptz) from public',
        freshness.claim_plain_body()
    );
end
$define$;

comment on function freshness.define_claims(boolean) is
    'Writes freshness.claim_one and claim_plain for the data types that are registered, if they differ. p_waits false:'
    ' not while somebody else does.';

select freshness.define_claims();

comment on function freshness.claim_one(bigint, text[], interval) is
    'Part of turn: claims the one job that is due within p_lead, as freshness.claim does, and says when something is'
    ' due next (freshness.next_moment). No row: that is for the claim. Written anew when data types change.';
comment on function freshness.claim_plain(bigint, text[], tid[], text[], timestamptz) is
    'Part of claim: sets running what it can of the jobs that are locked at p_places, of these data types; p_sources:'
    ' those with a budget. Written anew when data types change.';
-- <<<

-- >>> sql/549_claim_told.sql
-- A start is known by its end: it is on record for those alone who are told of it.
create function freshness.claim_told(
    p_worker bigint, p_data_types text[], p_places tid[], p_sources text[], p_horizon timestamptz
)
returns setof freshness.claimed_job
language plpgsql
rows 10
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_claimed freshness.claimed_job[] := array(
        select c from freshness.claim_plain(p_worker, p_data_types, p_places, p_sources, p_horizon) as c
    );
begin
    insert into freshness.events (kind, data_type, symbol, worker, fence, waited)
    select 'refreshing', j.data_type, j.symbol, j.worker, j.fence, j.waited
    from unnest(v_claimed) as c
    cross join lateral (
        select o.* from freshness.jobs as o where o.data_type = c.data_type and o.symbol = c.symbol limit 1
    ) as j
    where exists (
        select from freshness.listeners as l
        where l.data_type = j.data_type and l.symbol = j.symbol and l.is_told_of_starts
    );
    return query select * from unnest(v_claimed);
end
$$;

comment on function freshness.claim_told(bigint, text[], tid[], text[], timestamptz) is
    'As freshness.claim_plain, when somebody is told of starts.';
-- <<<

-- >>> sql/550_prepare_rows.sql
-- Writing what a refresher returned. The rows go in as they are meant, or not at all: each check raises, and the
-- caller's transaction takes everything back.

create function freshness.prepare_rows(p_type freshness.data_types, p_symbol text, p_rows jsonb, p_as_of timestamptz)
returns jsonb
language plpgsql
stable
set search_path = pg_temp
set timezone = 'UTC'
as $$
declare
    v_other text;
    v_has_zone boolean := (
        select a.atttypid = 'timestamptz'::regtype from pg_catalog.pg_attribute as a
        where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
    );
begin
    if
        jsonb_typeof(p_rows) is distinct from 'array'
        or jsonb_path_exists(p_rows, 'strict $[*] ? (@.type() != "object")')
    then
        raise exception using errcode = 'FR007',
            message = 'a refresher returns a list of rows, each a mapping of columns',
            hint = 'Return [] when the source has nothing for the symbol.';
    end if;

    select min(c.given) into v_other
    from freshness.canonical_symbols(
        p_type.name,
        array(
            select r.value ->> p_type.symbol_column from jsonb_array_elements(p_rows) as r
            where r.value ->> p_type.symbol_column is not null
        )
    ) as c
    where p_type.symbol_column is not null and c.symbol is distinct from p_symbol;
    if v_other is not null then
        raise exception using errcode = 'FR005',
            message = format('rows for another symbol: %s, asked for %s', left(v_other, 200), p_symbol),
            hint = 'A refresher returns rows for the symbol of its job only.';
    end if;

    -- A text with an offset would lose it in a column without a zone.
    return (
        select coalesce(jsonb_agg(
            r.value
            || case
                when p_type.symbol_column is null then '{}'
                else jsonb_build_object(p_type.symbol_column, p_symbol)
            end
            || jsonb_build_object(
                p_type.timestamp_column,
                case
                    when r.value ->> p_type.timestamp_column is null then
                        case
                            when v_has_zone then to_jsonb(p_as_of)
                            else to_jsonb(p_as_of at time zone p_type.time_zone)
                        end
                    when
                        not v_has_zone
                        and r.value ->> p_type.timestamp_column ~ '\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$'
                        then
                        to_jsonb((r.value ->> p_type.timestamp_column)::timestamptz at time zone p_type.time_zone)
                    else r.value -> p_type.timestamp_column
                end
            )
        ), '[]')
        from jsonb_array_elements(p_rows) as r
    );
end
$$;

comment on function freshness.prepare_rows(freshness.data_types, text, jsonb, timestamptz) is
    'Rows (a json array of objects by column) with their symbol, and with the fetch''s "as of" where they carry no'
    ' timestamp. FR005: a row of another symbol. FR007: not a list of objects.';
-- <<<

-- >>> sql/555_read_rows.sql
-- What prepared rows say: which columns they name, and how new they are; and which stored rows they are for.

create function freshness.column_list(p_type freshness.data_types, p_rows jsonb)
returns text[]
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_wrong text;
    v_columns text[];
begin
    select
        min(k.name) filter (where a.attname is null or a.attgenerated <> ''),
        array_agg(k.name order by a.attnum)
    into v_wrong, v_columns
    from (
        select distinct c.name
        from jsonb_array_elements(p_rows) as r
        cross join lateral jsonb_object_keys(r.value) as c (name)
    ) as k
    left join pg_catalog.pg_attribute as a
        on a.attrelid = p_type.data_table and a.attname = k.name and a.attnum > 0 and not a.attisdropped;

    if v_wrong is not null then
        raise exception using errcode = 'FR007',
            message = format('column "%s" of table %s does not exist or is generated', v_wrong, p_type.data_table),
            hint = 'A refresher returns rows with columns that can be written.';
    end if;
    return v_columns;
end
$$;

comment on function freshness.column_list(freshness.data_types, jsonb) is
    'Columns that the rows name, in the table''s order. FR007 names one that does not exist or is generated.';

create function freshness.newest_timestamp(p_type freshness.data_types, p_rows jsonb)
returns timestamptz
language plpgsql
stable
set search_path = pg_temp
set timezone = 'UTC'
as $$
declare
    v_newest timestamptz;
begin
    execute format(
        'select max(%s) from jsonb_populate_recordset(null::%s, $1) as r',
        freshness.timestamp_expression(
            (
                select a.atttypid from pg_catalog.pg_attribute as a
                where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
            ),
            p_type.time_zone,
            format('r.%I', p_type.timestamp_column)
        ),
        p_type.data_table
    ) into v_newest using p_rows;
    return v_newest;
end
$$;

comment on function freshness.newest_timestamp(freshness.data_types, jsonb) is
    'Newest timestamp among prepared rows; null when there are none.';

create function freshness.key_condition(p_type freshness.data_types)
returns text
language plpgsql
immutable
set search_path = pg_temp
as $$
begin
    return case when p_type.symbol_column is null then 'true' else format('r.%I::text = $1', p_type.symbol_column) end;
end
$$;

comment on function freshness.key_condition(freshness.data_types) is
    'SQL that picks a key''s rows r; $1 is the symbol.';

create function freshness.lock_rows(p_type freshness.data_types, p_symbol text)
returns void
language plpgsql
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
begin
    execute format(
        'select from %s as r where %s for update', p_type.data_table, freshness.key_condition(p_type)
    ) using p_symbol;
end
$$;

comment on function freshness.lock_rows(freshness.data_types, text) is
    'Waits for whoever is changing the rows of a key, so that what is looked at next is what will be replaced.';
-- <<<

-- >>> sql/560_write_rows.sql
create function freshness.write_rows(p_type freshness.data_types, p_symbol text, p_rows jsonb)
returns void
language plpgsql
set search_path = pg_temp
set datestyle = 'ISO, MDY'
set timezone = 'UTC'
as $$
declare
    v_columns text[] := freshness.column_list(p_type, p_rows);
    v_list text := (
        select string_agg(quote_ident(c.name), ', ' order by c.n)
        from unnest(v_columns) with ordinality as c (name, n)
    );
    v_conflict text := ' on conflict do nothing';
begin
    if p_type.write_mode = 'replace' then
        execute format(
            'delete from %s as r where %s', p_type.data_table, freshness.key_condition(p_type)
        ) using p_symbol;
    elsif p_type.write_mode = 'upsert' then
        -- Row by row, and with the row locked: only newer rows replace older ones, whoever else is writing. A row from
        -- the future gives way to one from now.
        v_conflict := format(
            ' on conflict (%s) do %s',
            (select string_agg(quote_ident(k.name), ', ') from unnest(p_type.key_columns) as k (name)),
            coalesce((
                select format(
                    'update set %1$s where stored.%2$I is null or stored.%2$I <= excluded.%2$I'
                    ' or %3$s > clock_timestamp()',
                    string_agg(format('%1$I = excluded.%1$I', c.name), ', '),
                    p_type.timestamp_column,
                    freshness.timestamp_expression(
                        (
                            select a.atttypid from pg_catalog.pg_attribute as a
                            where a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
                        ),
                        p_type.time_zone,
                        format('stored.%I', p_type.timestamp_column)
                    )
                )
                from unnest(v_columns) as c (name)
                where c.name <> all (p_type.key_columns)
                having count(*) > 0
            ), 'nothing')
        );
    end if;
    if cardinality(v_columns) > 0 then
        execute format(
            'insert into %1$s as stored (%2$s) select %2$s from jsonb_populate_recordset(null::%1$s, $1)%3$s',
            p_type.data_table, v_list, v_conflict
        ) using p_rows;
    end if;
end
$$;

comment on function freshness.write_rows(freshness.data_types, text, jsonb) is
    'Writes prepared rows of one key into its data table by the data type''s write mode, columns that they name only.';
-- <<<

-- >>> sql/561_write_plainly.sql
-- What most refreshes bring is one row that replaces a stored one. For that each data type has a statement of its own,
-- written when it is registered. It may not insert: what a column has by default is known at that moment only.
create function freshness.write_plainly(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
declare
    v_columns text[];
    v_required text[];
    v_assignments text;
begin
    if
        p_type.write_mode <> 'upsert' or p_type.key_columns is distinct from array[p_type.symbol_column]
        or not exists (
            -- Of another type, the timestamp that is stored is not always the one that was given. An update of a
            -- partitioned table may move a row, and one of a view is what its triggers make of it.
            select from pg_catalog.pg_attribute as a
            join pg_catalog.pg_class as c on c.oid = a.attrelid
            where
                a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
                and a.atttypid = 'timestamptz'::regtype and a.atttypmod = -1 and a.attgenerated = ''
                and c.relkind = 'r' and not c.relhassubclass and not c.relhasrules
        )
    then
        return '';
    end if;

    select
        array_agg(a.attname order by a.attnum),
        array_agg(a.attname order by a.attnum) filter (
            where a.attnotnull and not a.atthasdef and a.attidentity = ''
            and a.attname not in (p_type.symbol_column, p_type.timestamp_column)
        ),
        coalesce(string_agg(
            format('%1$I = case when k.content ? %1$L then (k.given).%1$I else r.%1$I end, ', a.attname), ''
            order by a.attnum
        ) filter (where a.attname not in (p_type.symbol_column, p_type.timestamp_column)), '')
    into v_columns, v_required, v_assignments
    from pg_catalog.pg_attribute as a
    where
        a.attrelid = p_type.data_table and a.attnum > 0 and not a.attisdropped
        and a.attgenerated = '' and a.attidentity <> 'a';

    -- With the row locked: only newer rows replace older ones, whoever else is writing. A trigger on inserts, or on
    -- columns that a row may not name, would see something else here than an upsert.
    return format(
        $body$
        if p_rows is null then
            null;
        elsif
            t.write_mode = 'upsert' and t.key_columns = array[%3$L]
            and not exists (
                select from pg_catalog.pg_trigger as g
                where
                    g.tgrelid = t.data_table and not g.tgisinternal and (g.tgtype & 4 <> 0 or g.tgattr::text <> '')
                    and g.tgname not like 'freshness\_%%'
            )
        then
            perform set_config('freshness.storing', 'on', true);
            with written as (
                update %1$s as r
                set %2$s%4$I = k.moment
                from (
                    select g.*, jsonb_populate_record(null::%1$s, g.content) as given
                    from (
                        select
                            c.symbol, c.fence, c.content, c.stored_at, c.started_at,
                            coalesce((c.content ->> %4$L)::timestamptz, c.started_at) as moment
                        from (
                            select
                                u.symbol, u.fence, j.stored_at, j.started_at,
                                case
                                    when u.rows -> 1 is null and jsonb_typeof(u.rows -> 0) = 'object' then u.rows -> 0
                                end as content
                            from (
                                select a.symbol, a.fence, a.rows::jsonb as rows
                                from unnest(p_symbols, p_fences, p_rows) as a (symbol, fence, rows)
                                offset 0
                            ) as u
                            cross join lateral (
                                select o.stored_at, o.started_at
                                from freshness.jobs as o
                                where o.data_type = %5$L and o.symbol = u.symbol and o.fence = u.fence
                                limit 1
                            ) as j
                            offset 0
                        ) as c
                        where
                            c.content - %6$L::text[] = '{}' and coalesce(c.content ->> %3$L, c.symbol) = c.symbol%7$s
                        offset 0
                    ) as g
                    where
                        (g.stored_at is null or g.moment >= least(g.stored_at, g.started_at))
                        and g.moment is distinct from g.stored_at
                    offset 0
                ) as k
                where
                    %8$s and (r.%4$I is null or r.%4$I <= k.moment or r.%4$I > clock_timestamp())
                returning k.fence
            )

            select array_agg(w.fence) into v_written from written as w;
            perform set_config('freshness.storing', '', true);
        end if;$body$,
        p_type.data_table, v_assignments, p_type.symbol_column, p_type.timestamp_column, p_type.name, v_columns,
        coalesce(' and c.content ?& ' || quote_literal(v_required::text) || '::text[]', ''),
        freshness.row_condition(p_type)
    );
end
$define$;

comment on function freshness.write_plainly(freshness.data_types) is
    'PL/pgSQL that stores each one row of p_rows by which a stored row of its own key becomes newer, and puts the'
    ' fences of their refreshes into v_written; t: the registry''s row. Empty for a table that this is not meant for.';
-- <<<

-- >>> sql/562_store_answers.sql
-- What a refresher brought for one key, and what became of it.
create type freshness.stored_answer as (
    rows jsonb, new_validators jsonb, bytes bigint, used_calls integer,
    outcome text, held_until timestamptz, reason text
);

-- How a refresh ended; outcome is null when its end was refused.
create type freshness.ended as (data_type text, fence bigint, outcome text, due_in double precision);

create function freshness.store_answer(
    p_type freshness.data_types, p_job freshness.jobs, p_rows jsonb,
    out outcome text, out held_until timestamptz, out reason text
)
language plpgsql
set search_path = pg_temp
as $$
declare
    v_rows jsonb;
    v_newest timestamptz;
    v_stored_at timestamptz;
    v_stale_since timestamptz;
begin
    if p_rows is null then
        outcome := 'unchanged';
        return;
    end if;
    v_rows := freshness.prepare_rows(p_type, p_job.symbol, p_rows, p_job.started_at);
    v_newest := freshness.newest_timestamp(p_type, v_rows);
    perform freshness.lock_rows(p_type, p_job.symbol) where p_type.write_mode = 'replace';
    select l.stored_at into v_stored_at from freshness.look(p_type.name, array[p_job.symbol]) as l;

    -- A stored timestamp ahead of the clock says nothing about what is newer. (And least passes over a null.)
    if p_job.stored_at is not null and v_newest < least(p_job.stored_at, p_job.started_at) then
        raise exception using errcode = 'FR006',
            message = format('rows of %s are older than the stored ones of %s', v_newest, p_job.stored_at),
            hint = 'The source answered with an older state; the stored rows are kept.';
    elsif v_newest < v_stored_at and v_stored_at <= clock_timestamp() then
        outcome := 'superseded';
        return;
    end if;

    outcome := case
        when jsonb_array_length(v_rows) = 0 then 'missing' when v_newest = p_job.stored_at then 'unchanged' else 'fresh'
    end;
    perform set_config('freshness.storing', 'on', true);
    if outcome <> 'missing' or p_type.write_mode = 'replace' then
        perform freshness.write_rows(p_type, p_job.symbol, v_rows);
    end if;
    perform set_config('freshness.storing', '', true);

    -- A source that repeats a timestamp of its own, by which its rows are stale, has nothing newer yet.
    if outcome = 'unchanged' and jsonb_path_exists(p_rows, '$[*].keyvalue() ? (@.key == $c && @.value != null)',
        jsonb_build_object('c', p_type.timestamp_column))
    then
        select l.fresh_until into v_stale_since
        from freshness.look(p_type.name, array[p_job.symbol], '{-infinity}') as l where l.fresh_until <= clock_timestamp();
        if found then
            outcome := 'stale';
            held_until := clock_timestamp() + freshness.stale_wait(p_type, v_stale_since);
            reason := format('the source''s rows of %s are stale and no newer than the stored ones', v_newest);
        end if;
    end if;
end
$$;

comment on function freshness.store_answer(freshness.data_types, freshness.jobs, jsonb) is
    'Part of finish: stores the rows of a running job if they are as new as the stored ones (null: the source says that'
    ' nothing has changed), and says how the refresh ended. stale: not to be tried before held_until, for that reason.';

create function freshness.store_answers(
    p_type freshness.data_types, p_jobs freshness.jobs[], p_answers freshness.stored_answer[]
)
returns freshness.stored_answer[]
language plpgsql
set search_path = pg_temp
as $$
declare
    v_is_stored boolean[] := freshness.store_together(p_type, p_jobs, p_answers);
    v_stored record;
begin
    for v_number in 1..cardinality(p_jobs) loop
        if v_is_stored[v_number] then
            p_answers[v_number].outcome := 'fresh';
            continue;
        end if;
        v_stored := freshness.store_answer(p_type, p_jobs[v_number], p_answers[v_number].rows);
        p_answers[v_number].outcome := v_stored.outcome;
        p_answers[v_number].held_until := v_stored.held_until;
        p_answers[v_number].reason := v_stored.reason;
    end loop;
    return p_answers;
end
$$;

comment on function freshness.store_answers is
    'Part of finish: what each refresh of running jobs brought, together where that is plain (store_together), else by'
    ' store_answer.';
-- <<<

-- >>> sql/563_store_together.sql
-- What most refreshes bring, stored for many keys at once: rows of their own symbols, newer than the stored ones, for a
-- table that is upserted. All else is stored key by key.
create function freshness.store_together(
    p_type freshness.data_types, p_jobs freshness.jobs[], p_answers freshness.stored_answer[]
)
returns boolean[]
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
set timezone = 'UTC'
as $$
declare
    v_stored boolean[] := array_fill(false, array[cardinality(p_jobs)]);
    v_group record;
    v_number integer;
begin
    if
        cardinality(p_jobs) < 2 or p_type.write_mode <> 'upsert' or p_type.symbol_column is null
        or not exists (
            -- Of another type, the timestamp that is stored is not always the one that was given.
            select from pg_catalog.pg_attribute as a
            where
                a.attrelid = p_type.data_table and a.attname = p_type.timestamp_column
                and a.atttypid = 'timestamptz'::regtype and a.atttypmod = -1
        )
    then
        return v_stored;
    end if;

    for v_group in
        with given as materialized (
            select
                e.ordinality::integer as number, e.symbol, e.stored_at, e.started_at, r.ordinality as place,
                jsonb_typeof(r.value) = 'object'
                and coalesce(r.value ->> p_type.symbol_column, e.symbol) = e.symbol as is_plain,
                coalesce((r.value ->> p_type.timestamp_column)::timestamptz, e.started_at) as moment,
                r.value || jsonb_build_object(
                    p_type.symbol_column, e.symbol,
                    p_type.timestamp_column, coalesce(
                        nullif(r.value -> p_type.timestamp_column, 'null'), to_jsonb(e.started_at)
                    )
                ) as content
            from unnest(p_jobs, p_answers) with ordinality as e
            cross join lateral jsonb_array_elements(
                case jsonb_typeof(e.rows) when 'array' then e.rows end
            ) with ordinality as r (value, ordinality)
        ),

        keys as materialized (
            select g.number, g.symbol, g.stored_at, g.started_at, max(g.moment) as newest, min(c.names) as names
            from given as g
            cross join lateral (
                select array_agg(n.name order by n.name) as names
                from jsonb_object_keys(case when g.is_plain then g.content end) as n (name)
            ) as c
            group by g.number, g.symbol, g.stored_at, g.started_at
            having bool_and(g.is_plain) and min(c.names) = max(c.names)
        ),

        plain as materialized (
            select k.number, k.names
            from keys as k
            left join freshness.look(p_type.name, array(select a.symbol from keys as a)) as l on l.symbol = k.symbol
            where
                (k.stored_at is null or k.newest >= least(k.stored_at, k.started_at))
                and k.newest is distinct from k.stored_at
                and (k.newest < l.stored_at and l.stored_at <= clock_timestamp()) is not true
        )

        select jsonb_agg(g.content order by g.symbol, g.place) as rows, array_agg(distinct g.number) as numbers
        from plain as p
        join given as g on g.number = p.number
        group by p.names
    loop
        perform set_config('freshness.storing', 'on', true);
        perform freshness.write_rows(p_type, null, v_group.rows);
        perform set_config('freshness.storing', '', true);
        foreach v_number in array v_group.numbers loop
            v_stored[v_number] := true;
        end loop;
    end loop;
    return v_stored;
end
$$;

comment on function freshness.store_together is
    'Part of finish: stores the rows of those running jobs that need no closer look, by one statement for all that name'
    ' the same columns, and says which they are: their refreshes ended fresh. The others are left to store_answer.';
-- <<<

-- >>> sql/564_looks_at_ends.sql
-- What is known of a key as its refresh ends, by the expressions of the look (freshness.define_look), for many keys.
create function freshness.looks_at_ends(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    -- Each value once: without the offsets the planner would write out its expression wherever it is used.
    return format(
        $body$
            select k.*, %1$s as refresh_at
            from (
                select d.*, case when d.counted_at is not null then %2$s end as fresh_until
                from (
                    select
                        v.*,
                        greatest(
                            case when v.stored_at > clock_timestamp() then clock_timestamp() else v.stored_at end,
                            v.verified_at
                        ) as counted_at
                    from (
                        select
                            k.*, j.place, j.worker, j.started_at, j.waited, j.reserved,
                            n.stored_at, coalesce(n.ttl, t.ttl) as ttl,
                            -- Not verified: rows that were deleted or went back while the source said that nothing has
                            -- changed.
                            case
                                when
                                    k.outcome = 'fresh'
                                    or coalesce(n.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity')
                                    then least(j.started_at, v_now)
                            end as verified_at
                        from (
                            select
                                u.symbol, u.fence, u.validators::jsonb as new_validators, u.bytes, u.calls,
                                case
                                    when p_rows is null or u.rows is null then 'unchanged'
                                    when u.fence = any (v_written) then 'fresh'
                                end as outcome
                            from unnest(p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls)
                            as u (symbol, fence, rows, validators, bytes, calls)
                            offset 0
                        ) as k
                        cross join lateral (
                            select o.ctid as place, o.worker, o.started_at, o.waited, o.calls as reserved, o.stored_at
                            from freshness.jobs as o
                            where o.data_type = %3$L and o.symbol = k.symbol and o.fence = k.fence
                            limit 1
                        ) as j
                        left join lateral (
                            %4$s
                        ) as n on true
                        where k.outcome is not null
                        offset 0
                    ) as v
                    offset 0
                ) as d
                offset 0
            ) as k
            %5$s$body$,
        freshness.refresh_expression(p_type, 'k.fresh_until', 'k.counted_at'), freshness.deadline_expression(p_type),
        p_type.name, freshness.newest_row(p_type),
        -- Without such a function it is used once.
        case when coalesce(p_type.deadline_function, p_type.staleness_function) is not null then 'offset 0' end
    );
end
$define$;

comment on function freshness.looks_at_ends(freshness.data_types) is
    'SQL that looks at the keys of running refreshes which have ended plainly: their source said that nothing has'
    ' changed, or their rows were written (v_written). It has what freshness.look finds, and what their jobs held.';
-- <<<

-- >>> sql/565_measure_refresh_ahead.sql
-- refresh_ahead => 'auto': so long before a row goes stale as its fetch will take, as far as recent ones tell.

create index events_measured on freshness.events (data_type, id) where is_measured;

create function freshness.measure_refresh_ahead(p_data_type text)
returns interval
language plpgsql
set search_path = pg_temp
as $$
declare
    v_measured interval := (
        select percentile_disc(0.95) within group (order by e.duration)
        from (
            select f.duration
            from freshness.events as f
            where f.data_type = p_data_type and f.is_measured
            order by f.id desc
            limit 200
        ) as e
    );
begin
    -- Small changes are noise. Whoever holds the row measures, or is changing it.
    update freshness.data_types as t
    set refresh_ahead = least(v_measured, t.ttl / 2)
    where
        t.name in (
            select d.name
            from freshness.data_types as d
            where
                d.name = p_data_type
                and d.refresh_ahead_is_auto
                and (least(v_measured, d.ttl / 2) between d.refresh_ahead * 0.9 and d.refresh_ahead * 1.1) is false
            for no key update skip locked
        );
    return v_measured;
end
$$;

comment on function freshness.measure_refresh_ahead(text) is
    'Sets the refresh_ahead of a data type that has auto to the 95th percentile of its last 200 successful fetches, at'
    ' most half of the ttl, and returns that percentile. Called by finish now and then.';
-- <<<

-- >>> sql/566_move_ended.sql
create function freshness.move_ended(
    p_type freshness.data_types, p_places tid[], p_jobs freshness.jobs[], p_answers freshness.stored_answer[]
)
returns freshness.ended[]
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    -- Others wait for the source: it may have room now.
    v_is_short boolean := freshness.next_of_source(p_type.source, 'infinity') < 'infinity';
    v_ended freshness.ended[];
begin
    with ended as materialized (
        select e.*
        from unnest(p_jobs, p_answers) as e
    ),

    looked as materialized (
        select l.*,
            -- Not verified by this: rows that were stale, and those that were deleted or went back while the source
            -- said that nothing has changed.
            e.outcome <> 'stale'
            and (e.rows is not null or coalesce(l.stored_at, '-infinity') >= coalesce(e.stored_at, '-infinity'))
            as is_verified
        from freshness.look(
            p_type.name, array(select e.symbol from ended as e),
            -- A clock that was set back meanwhile has not verified the future.
            array(select least(e.started_at, v_now) from ended as e)
        ) as l
        join ended as e on e.symbol = l.symbol
    ),

    seen as materialized (
        select l.symbol, l.stored_at, l.fresh_until, l.refresh_at, true as is_verified
        from looked as l
        where l.is_verified
        union all
        select l.symbol, l.stored_at, l.fresh_until, l.refresh_at, false
        from (
            select array_agg(n.symbol) as symbols from looked as n where not n.is_verified having count(*) > 0
        ) as n
        cross join lateral freshness.look(p_type.name, n.symbols) as l
    ),

    known as materialized (
        select
            e.*, s.stored_at as now_stored_at, s.fresh_until as now_fresh_until,
            case when s.is_verified then least(e.started_at, v_now) end as now_verified_at,
            case
                -- A row that is stale at once, as a deadline function can say, is not fetched again at once.
                when
                    (s.is_verified and s.refresh_at <= least(e.started_at, v_now))
                    or (
                        s.refresh_at <= clock_timestamp()
                        and coalesce(p_type.deadline_function, p_type.staleness_function) is not null
                    )
                    then clock_timestamp() + least(p_type.ttl, interval '1 minute')
                else coalesce(s.refresh_at, clock_timestamp() + p_type.ttl)
            end as refresh_at
        from ended as e
        join seen as s on s.symbol = e.symbol
    ),

    moved as (
        update freshness.jobs as j
        set
            state = 'scheduled', worker = null, fence = null, started_at = null, waited = null,
            attempts = 0, alone = false, last_error = k.reason, not_before = k.held_until, calls = 0,
            verified_at = case when k.outcome = 'stale' then j.verified_at else k.now_verified_at end,
            validators = case
                when k.now_verified_at is null or k.outcome = 'superseded' then null
                else coalesce(k.new_validators, case when k.rows is null then j.validators end)
            end,
            requested_at = case when j.required_as_of > j.started_at then j.requested_at end,
            required_as_of = case when j.required_as_of > j.started_at then j.required_as_of end,
            run_at = case
                when j.required_as_of > j.started_at or k.now_verified_at is null then clock_timestamp()
                else least(j.run_at, k.refresh_at)
            end,
            stored_at = k.now_stored_at, fresh_until = k.now_fresh_until,
            estimated_size_bytes = coalesce(k.bytes, j.estimated_size_bytes)
        from known as k
        where j.ctid = any (p_places) and j.fence = k.fence
        returning
            k.fence, k.outcome, j.due_at, j.data_type, j.symbol, k.worker, k.started_at, k.waited, k.bytes, k.reason,
            k.calls as reserved, coalesce(k.used_calls, k.calls) as used, coalesce(j.estimated_size_bytes, 0) as size
    ),

    spent as (
        insert into freshness.spent_calls (source, calls, bytes)
        select p_type.source, sum(m.used), sum(m.size)
        from moved as m
        where m.reserved > 0 and p_type.source is not null
        having count(*) > 0
    ),

    noted as (
        insert into freshness.events
            (kind, data_type, symbol, worker, fence, duration, waited, bytes, message, is_measured)
        select
            m.outcome, m.data_type, m.symbol, m.worker, m.fence, clock_timestamp() - m.started_at, m.waited, m.bytes,
            m.reason, case when p_type.refresh_ahead_is_auto and m.outcome <> 'stale' then true end
        from moved as m
    )

    select array_agg(row(m.data_type, m.fence, m.outcome, freshness.seconds_until(
        case when v_is_short then least(m.due_at, v_now) else m.due_at end
    ))::freshness.ended) into v_ended
    from moved as m;
    return v_ended;
end
$$;

comment on function freshness.move_ended is
    'Part of finish: moves running jobs of one data type, locked at p_places, to their next deadlines, and notes how'
    ' their refreshes ended.';
-- <<<

-- >>> sql/567_raise_fence_lost.sql
create function freshness.raise_fence_lost(p_data_type text, p_symbol text, p_fence bigint)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    raise exception using errcode = 'FR003',
        message = format('refresh %s of %s %s is no longer this worker''s', p_fence, p_data_type, p_symbol),
        hint = 'Its heartbeat was late and the job was taken over; drop the result.';
end
$$;

comment on function freshness.raise_fence_lost(text, text, bigint) is 'Raises FR003.';
-- <<<

-- >>> sql/568_end_refreshes.sql
-- The end of refreshes of one data type, however many: looked at together, moved together, noted together.
create function freshness.end_refreshes(
    p_type freshness.data_types,
    p_symbols text[],
    p_fences bigint[],
    p_rows jsonb[],
    p_validators jsonb[],
    p_bytes bigint[],
    p_calls integer[]
)
returns freshness.ended[]
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
-- Jobs are found by their key or their place, however few there were when the plan was made.
set enable_seqscan = off
as $$
declare
    v_jobs freshness.jobs[];
    v_answers freshness.stored_answer[];
    v_places tid[];
    v_locked tid[];
    v_ended freshness.ended[];
begin
    select array_agg(r.place), array_agg(r.job), array_agg(g.answer) into v_places, v_jobs, v_answers
    from (
        select
            u.symbol, u.fence,
            row(u.rows, u.validators, u.bytes, u.calls, 'unchanged', null, null)::freshness.stored_answer as answer
        from unnest(p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls)
        as u (symbol, fence, rows, validators, bytes, calls)
    ) as g
    cross join lateral (
        select j.ctid as place, j as job
        from freshness.jobs as j
        where j.data_type = p_type.name and j.symbol = g.symbol and j.fence = g.fence
        limit 1
    ) as r;
    if v_jobs is null then
        return '{}'::freshness.ended[];
    end if;
    if p_rows is not null then
        v_answers := freshness.store_answers(p_type, v_jobs, v_answers);
    end if;

    -- The fence is checked last, as the jobs are moved: a worker that has lost it takes its rows back.
    v_ended := freshness.move_ended(p_type, v_places, v_jobs, v_answers);
    if coalesce(cardinality(v_ended), 0) = cardinality(v_jobs) then
        return v_ended;
    end if;

    -- Some were asked for meanwhile and have another place now, or their fences are lost.
    select array_agg(v_jobs[n.place]), array_agg(v_answers[n.place]) into v_jobs, v_answers
    from generate_subscripts(v_jobs, 1) as n (place)
    where (v_jobs[n.place]).fence not in (select e.fence from unnest(v_ended) as e);
    v_locked := array(
        select j.ctid from freshness.jobs as j
        where
            j.data_type = p_type.name and j.symbol = any (p_symbols)
            and j.fence in (select o.fence from unnest(v_jobs) as o)
        order by j.symbol
        for update
    );
    if cardinality(v_locked) < cardinality(v_jobs) then
        perform freshness.raise_fence_lost(p_type.name, v_jobs[1].symbol, v_jobs[1].fence);
    end if;
    return v_ended || freshness.move_ended(p_type, v_locked, v_jobs, v_answers);
end
$$;

comment on function freshness.end_refreshes is
    'Ends running refreshes of one data type as freshness.finish says, in one transaction: all of them, or none and an'
    ' error. Returns those that were ended; the others had lost their fence before.';
-- <<<

-- >>> sql/569_ends_body.sql
-- To end many refreshes takes most of its time in preparing work on sets of whole rows, and in dynamic statements. So
-- each data type has one statement for it, written when it is registered: it looks, moves the jobs, and notes what they
-- spent and how they ended. What is not plain it leaves as it is, for end_refreshes.
create function freshness.ends_body(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format(
        $body$
declare
    t record;
    v_now timestamptz := clock_timestamp();
    v_written bigint[];
    v_ended freshness.ended[];
    v_moved integer;
begin
    select
        d.data_table, d.write_mode, d.key_columns, d.ttl, d.refresh_ahead, d.refresh_ahead_is_auto, d.jitter, d.source,
        d.data_table::text = d.look_reads as is_known, s.short_since is not null as is_short,
        s.failures > 0 or s.pauses > 0 as is_failing
    into t
    from freshness.data_types as d
    left join freshness.sources as s on s.name = d.source
    where d.name = %1$L;
    if not found or not t.is_known then
        return '{}'::freshness.ended[];
    end if;%2$s

    with moved as (
        update freshness.jobs as j
        set
            state = 'scheduled', worker = null, fence = null, started_at = null, waited = null,
            attempts = 0, alone = false, last_error = null, not_before = null, calls = 0,
            verified_at = k.verified_at,
            validators = case
                when k.verified_at is not null
                    then coalesce(k.new_validators, case when k.outcome = 'unchanged' then j.validators end)
            end,
            requested_at = case when j.required_as_of > j.started_at then j.requested_at end,
            required_as_of = case when j.required_as_of > j.started_at then j.required_as_of end,
            run_at = case
                when j.required_as_of > j.started_at or k.verified_at is null then clock_timestamp()%3$s
                else least(j.run_at, k.refresh_at)
            end,
            stored_at = k.stored_at, fresh_until = k.fresh_until,
            estimated_size_bytes = coalesce(k.bytes, j.estimated_size_bytes)
        from (%4$s
        ) as k
        where j.ctid = k.place and j.fence = k.fence
        returning
            k.fence, k.outcome, j.symbol, j.due_at, k.worker, k.started_at, k.waited, k.bytes, k.reserved,
            coalesce(k.calls, k.reserved) as used, coalesce(j.estimated_size_bytes, 0) as size
    ),

    spent as (
        insert into freshness.spent_calls (source, calls, bytes)
        select t.source, sum(m.used), sum(m.size)
        from moved as m
        where m.reserved > 0 and t.source is not null
        having count(*) > 0
    ),

    noted as (
        insert into freshness.events
            (kind, data_type, symbol, worker, fence, duration, waited, bytes, is_measured)
        select
            m.outcome, %1$L, m.symbol, m.worker, m.fence, clock_timestamp() - m.started_at, m.waited, m.bytes,
            case when t.refresh_ahead_is_auto then true end
        from moved as m
    )

    select
        count(*) filter (where m.outcome = 'fresh'),
        array_agg(row(%1$L, m.fence, m.outcome, case
            when t.is_short then extract(epoch from least(m.due_at, v_now) - clock_timestamp())::double precision
            when isfinite(m.due_at) then extract(epoch from m.due_at - clock_timestamp())::double precision
        end)::freshness.ended)
    into v_moved, v_ended
    from moved as m;
    -- The fence was checked last, with the job locked: whoever has lost it takes its rows back.
    if v_moved < cardinality(v_written) then
        perform freshness.raise_fence_lost(%1$L, p_symbols[1], p_fences[1]);
    end if;
    if t.is_failing then
        perform freshness.note_source_success(t.source);
    end if;
    if t.refresh_ahead_is_auto and (t.refresh_ahead = interval '0' or random() < 0.05) then
        perform freshness.measure_refresh_ahead(%1$L);
    end if;
    return v_ended;
end
$body$,
        p_type.name, freshness.write_plainly(p_type),
        -- A row that is stale at once, as such a function can say, is not fetched again at once.
        case when coalesce(p_type.deadline_function, p_type.staleness_function) is not null then
            ' when k.refresh_at <= greatest(k.verified_at, clock_timestamp())'
            ' then least(j.run_at, clock_timestamp() + least(t.ttl, interval ''1 minute''))'
        end,
        freshness.looks_at_ends(p_type)
    );
end
$define$;

comment on function freshness.ends_body(freshness.data_types) is
    'PL/pgSQL of freshness."ends_<name>" for a data type.';
-- <<<

-- >>> sql/570_finish.sql
create function freshness.finish(
    p_data_type text,
    p_symbol text,
    p_fence bigint,
    p_rows jsonb,
    p_validators jsonb default null,
    p_bytes bigint default null,
    p_calls integer default null
)
returns table (outcome text, due_in double precision)
language plpgsql
rows 1
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_type freshness.data_types;
    v_ended freshness.ended;
begin
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    v_ended := (freshness.end_refreshes(
        v_type, array[p_symbol], array[p_fence], case when p_rows is not null then array[p_rows] end,
        array[p_validators], array[p_bytes], array[p_calls]
    ))[1];
    if v_ended.outcome is null then
        perform freshness.raise_fence_lost(p_data_type, p_symbol, p_fence);
    end if;
    perform freshness.after_success(v_type);
    outcome := v_ended.outcome;
    due_in := v_ended.due_in;
    return next;
end
$$;

comment on function freshness.finish is
    'Ends a refresh: stores its rows (a json array of objects by column; the symbol and, when missing, the timestamp'
    ' are filled in) and moves the job to its next deadline, in one transaction. Null rows: the source confirmed that'
    ' the stored ones are current. p_validators: kept for the next refresh; p_bytes: size of the answer; p_calls:'
    ' calls of the source that it took, if not as many as were reserved. Returns in how many seconds the worker should'
    ' claim again, which is when the key is due, or now if others wait for its source; and fresh, unchanged'
    ' (confirmed, or no newer than before), superseded (somebody stored newer rows meanwhile), missing (no rows: asked'
    ' again a ttl later) or stale (by their own timestamps the rows are stale and no newer than before: asked again'
    ' after growing waits). Errors leave everything as it was: FR003 the fence is lost; FR005 rows for another symbol;'
    ' FR006 rows older than the stored ones; FR007 rows that do not fit the table, and any error of the table itself.';

create function freshness.after_success(p_type freshness.data_types)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if p_type.refresh_ahead_is_auto and (p_type.refresh_ahead = interval '0' or random() < 0.05) then
        perform freshness.measure_refresh_ahead(p_type.name);
    end if;
    if p_type.source is not null then
        perform freshness.note_source_success(p_type.source);
    end if;
end
$$;

comment on function freshness.after_success(freshness.data_types) is
    'Part of finish: now and then measures refresh_ahead anew, and ends the count of the source''s failures.';
-- <<<

-- >>> sql/571_end_together.sql
create function freshness.define_ends(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_name text := 'ends_' || p_data_type;
    v_body text := (select freshness.ends_body(t) from freshness.data_types as t where t.name = p_data_type);
begin
    if exists (
        select from pg_catalog.pg_proc as f
        where f.pronamespace = 'freshness'::regnamespace and f.proname = v_name and f.prosrc = v_body
    ) then
        return;
    end if;
    execute format(
        'create or replace function freshness.%1$I(p_symbols text[], p_fences bigint[], p_rows text[],'
        ' p_validators text[], p_bytes bigint[], p_calls integer[]) returns freshness.ended[]'
        ' language plpgsql set search_path = pg_temp set timezone = ''UTC'' as %2$L;'
        ' revoke all on function freshness.%1$I(text[], bigint[], text[], text[], bigint[], integer[]) from public;'
        ' alter function freshness.%1$I(text[], bigint[], text[], text[], bigint[], integer[]) owner to %3$s',
        v_name, v_body, freshness.owner_name()
    );
end
$define$;

comment on function freshness.define_ends(text) is
    'Writes the function that ends refreshes of a registered data type where that is plain: freshness."ends_<name>".'
    ' FR002 names the table or column that is gone.';

create function freshness.end_together(
    p_data_type text,
    p_symbols text[],
    p_fences bigint[],
    p_rows text[],
    p_validators text[],
    p_bytes bigint[],
    p_calls integer[]
)
returns freshness.ended[]
language plpgsql
set search_path = pg_temp
as $$
declare
    v_type freshness.data_types;
    v_ended freshness.ended[];
    v_left record;
    v_others freshness.ended[];
begin
    begin
        v_ended := freshness.end_plainly(
            p_data_type, p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls
        );
    exception
        -- What one of them raised concerns that one: the others are ended without it.
        when others or assert_failure then
            null;
    end;
    v_ended := coalesce(v_ended, '{}'::freshness.ended[]);
    if cardinality(v_ended) = cardinality(p_fences) then
        return v_ended;
    end if;

    select
        array_agg(g.symbol) as symbols, array_agg(g.fence) as fences,
        case when count(g.rows) > 0 then array_agg(g.rows) end as rows,
        array_agg(g.validators) as validators, array_agg(g.bytes) as bytes, array_agg(g.calls) as calls
    into v_left
    from unnest(p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls)
    as g (symbol, fence, rows, validators, bytes, calls)
    where g.fence not in (select e.fence from unnest(v_ended) as e);
    select * into v_type from freshness.data_types as t where t.name = p_data_type and v_left.fences is not null;
    if not found then
        return v_ended;
    end if;
    v_others := freshness.try_to_end(
        v_type, v_left.symbols, v_left.fences, v_left.rows, v_left.validators, v_left.bytes, v_left.calls
    );
    if cardinality(v_others) > 0 then
        perform freshness.after_success(v_type);
    end if;
    return v_ended || v_others;
end
$$;

comment on function freshness.end_together is
    'Part of finish_many: ends refreshes of one data type, at once where that is plain, and the others by try_to_end.';
-- <<<

-- >>> sql/572_finish_many.sql
-- The end of many refreshes in one transaction. What spoils one of them must not harm the others.
create function freshness.try_to_end(
    p_type freshness.data_types,
    p_symbols text[],
    p_fences bigint[],
    p_rows text[],
    p_validators text[],
    p_bytes bigint[],
    p_calls integer[]
)
returns freshness.ended[]
language plpgsql
set search_path = pg_temp
-- Somebody who holds one key's rows is not waited for: the others would wait too.
set lock_timeout = '100ms'
as $$
declare
    v_ended freshness.ended[] := '{}'::freshness.ended[];
begin
    return freshness.end_refreshes(
        p_type, p_symbols, p_fences, p_rows::jsonb[], p_validators::jsonb[], p_bytes, p_calls
    );
exception
    when others or assert_failure then
        if cardinality(p_fences) = 1 then
            return array[row(p_type.name, p_fences[1], null, null)::freshness.ended];
        end if;
        for v_number in 1..cardinality(p_fences) loop
            v_ended := v_ended || freshness.try_to_end(
                p_type, p_symbols[v_number:v_number], p_fences[v_number:v_number], p_rows[v_number:v_number],
                p_validators[v_number:v_number], p_bytes[v_number:v_number], p_calls[v_number:v_number]
            );
        end loop;
        return v_ended;
end
$$;

comment on function freshness.try_to_end is
    'Part of finish_many: ends refreshes of one data type together, or if one of them spoils that, each by itself.';

create function freshness.finish_many(
    p_data_types text[],
    p_symbols text[],
    p_fences bigint[],
    p_rows text[],
    p_validators text[],
    p_bytes bigint[],
    p_calls integer[]
)
returns freshness.ended[]
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
-- Jobs and rows are found by their key or their place, however few there were when the plan was made.
set enable_seqscan = off
set enable_memoize = off
-- Somebody who holds one key's rows is not waited for: the others would wait too.
set lock_timeout = '100ms'
as $$
declare
    v_given record;
    v_ended freshness.ended[] := '{}'::freshness.ended[];
begin
    if p_data_types[1] = all (p_data_types) then
        return freshness.end_together(
            p_data_types[1], p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls
        );
    end if;
    for v_given in
        select
            g.data_type,
            array_agg(g.symbol) as symbols, array_agg(g.fence) as fences,
            case when count(g.rows) > 0 then array_agg(g.rows) end as rows,
            array_agg(g.validators) as validators, array_agg(g.bytes) as bytes, array_agg(g.calls) as calls
        from unnest(p_data_types, p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls)
        as g (data_type, symbol, fence, rows, validators, bytes, calls)
        group by g.data_type
        order by g.data_type
    loop
        v_ended := v_ended || freshness.end_together(
            v_given.data_type, v_given.symbols, v_given.fences, v_given.rows, v_given.validators, v_given.bytes,
            v_given.calls
        );
    end loop;
    return v_ended;
end
$$;

comment on function freshness.finish_many is
    'Ends many refreshes as freshness.finish does, given by columns, each as if alone. A null outcome: it was refused,'
    ' or somebody holds its rows, and nothing was changed; freshness.finish says why, or waits. Fences that are not in'
    ' the answer had been lost.';
-- <<<

-- >>> sql/573_turn.sql
-- What a busy worker does between two waits, in one transaction: tell what has ended, take what is due.
create function freshness.turn(
    p_worker bigint,
    p_data_types text[],
    p_limit integer,
    p_channel text,
    p_listener integer,
    p_lead interval,
    p_is_settled boolean,
    p_ended_data_types text[] default null,
    p_ended_symbols text[] default null,
    p_ended_fences bigint[] default null,
    p_ended_rows text[] default null,
    p_ended_validators text[] default null,
    p_ended_bytes bigint[] default null,
    p_ended_calls integer[] default null
)
returns table (
    kind text, data_type text, symbol text, fence bigint, started_at timestamptz, stored_at timestamptz,
    attempts integer, due_at timestamptz, validators jsonb, alone boolean, outcome text, due_in double precision
)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_asleep_until timestamptz;
    v_rings_at timestamptz;
    v_ended freshness.ended[];
    v_claimed integer := 0;
    v_one record;
begin
    if p_ended_fences is not null then
        v_ended := freshness.finish_many(
            p_ended_data_types, p_ended_symbols, p_ended_fences, p_ended_rows, p_ended_validators, p_ended_bytes,
            p_ended_calls
        );
        return query
        select
            'ended', e.data_type, null::text, e.fence, null::timestamptz, null::timestamptz, null::integer,
            null::timestamptz, null::jsonb, null::boolean, e.outcome, e.due_in
        from unnest(v_ended) as e;
    end if;
    if p_limit <= 0 then
        return;
    end if;

    -- Whoever sleeps until later, and has been told, goes on sleeping until then: no need to say so again, nor to look
    -- whether everybody has heard it.
    if p_is_settled then
        select s.asleep_until into v_asleep_until
        from freshness.sleepers as s
        where
            s.channel = p_channel and s.worker = p_worker and s.listener = p_listener
            and s.asleep_until > clock_timestamp() + p_lead + interval '1 second';
    end if;
    if v_asleep_until is not null and p_limit > 1 then
        select * into v_one from freshness.claim_one(p_worker, p_data_types, p_lead);
        if found then
            return query
            select
                'claimed', v_one.data_type, v_one.symbol, v_one.fence, v_one.started_at, v_one.stored_at,
                v_one.attempts, v_one.due_at, v_one.validators, v_one.alone, null::text, null::double precision;
            kind := 'asleep';
            v_rings_at := v_one.next_moment;
            if v_rings_at < v_asleep_until then
                update freshness.sleepers as s set rings_at = v_rings_at
                where s.channel = p_channel and s.rings_at is distinct from v_rings_at;
            end if;
            due_in := freshness.seconds_until(least(v_asleep_until, v_rings_at));
            return next;
            return;
        end if;
    end if;
    return query
    select
        'claimed', c.data_type, c.symbol, c.fence, c.started_at, c.stored_at, c.attempts, c.due_at, c.validators,
        c.alone, null::text, null::double precision
    from freshness.claim(
        p_worker, p_data_types, p_limit, case when v_asleep_until is null then p_channel end,
        case when v_asleep_until is null then p_listener end, p_lead
    ) as c;
    get diagnostics v_claimed = row_count;
    if v_asleep_until is not null then
        if v_claimed >= p_limit then
            perform freshness.disarm(p_channel);
        else
            kind := 'asleep';
            v_rings_at := freshness.next_moment(p_worker, p_data_types);
            update freshness.sleepers as s set rings_at = v_rings_at
            where s.channel = p_channel and v_rings_at < v_asleep_until and s.rings_at is distinct from v_rings_at;
            due_in := least(
                freshness.seconds_until(least(v_asleep_until, v_rings_at)),
                freshness.seconds_until_fold()
            );
            return next;
        end if;
    end if;
end
$$;

comment on function freshness.turn is
    'freshness.finish_many, and then freshness.claim if p_limit is above 0, in one transaction. Rows by kind: ended'
    ' (its fence, outcome and due_in), claimed (a job), and asleep when the worker, which had armed and settled'
    ' (p_is_settled) and can still be woken, may sleep for due_in (null: without end) without arming anew.';
-- <<<

-- >>> sql/574_end_plainly.sql
-- The functions that end refreshes of one data type each are called by one that knows them all: to call them by their
-- names would take a dynamic statement, planned at each turn.
create function freshness.end_plainly_body()
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return e'\nbegin' || coalesce(
        (
            select string_agg(
                format(
                    e'\n    if p_data_type = %L then'
                    || e'\n        return freshness.%I(p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls);'
                    || e'\n    end if;',
                    t.name, f.proname
                ), '' order by t.name
            )
            from freshness.data_types as t
            join pg_catalog.pg_proc as f
                on f.pronamespace = 'freshness'::regnamespace and f.proname = 'ends_' || t.name
        ),
        -- Said so that no check finds the parameters unused.
        e'\n    perform p_data_type, p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls;'
    ) || e'\n    return null;\nend\n';
end
$define$;

comment on function freshness.end_plainly_body() is
    'PL/pgSQL of freshness.end_plainly for the data types that are registered.';

create function freshness.define_end_plainly(p_waits boolean default true)
returns void
language plpgsql
set search_path = pg_temp
as $define$
begin
    if exists (
        select from pg_catalog.pg_proc as f
        where
            f.pronamespace = 'freshness'::regnamespace and f.proname = 'end_plainly'
            and f.prosrc = freshness.end_plainly_body()
    ) then
        return;
    end if;
    -- One at a time, each with what the one before it has registered.
    if p_waits then
        perform pg_advisory_xact_lock(hashtext('freshness.define_subscription_trigger'));
    elsif not pg_try_advisory_xact_lock(hashtext('freshness.define_subscription_trigger')) then
        return;
    end if;
    execute format(
        'create or replace function freshness.end_plainly(p_data_type text, p_symbols text[], p_fences bigint[],'
        ' p_rows text[], p_validators text[], p_bytes bigint[], p_calls integer[]) returns freshness.ended[]'
        ' language plpgsql set search_path = pg_temp as %L;'
        ' revoke all on function freshness.end_plainly(text, text[], bigint[], text[], text[], bigint[], integer[])'
        ' from public',
        freshness.end_plainly_body()
    );
end
$define$;

comment on function freshness.define_end_plainly(boolean) is
    'Writes freshness.end_plainly for the data types that are registered, if it differs. p_waits false: not while'
    ' somebody else does.';

select freshness.define_end_plainly();

comment on function freshness.end_plainly(text, text[], bigint[], text[], text[], bigint[], integer[]) is
    'Part of finish_many: ends refreshes of one data type where that is plain, by freshness."ends_<name>", and returns'
    ' those; null for a data type that it does not know. Written anew when data types change.';
-- <<<

-- >>> sql/575_fail.sql
create function freshness.fail(
    p_data_type text,
    p_symbol text,
    p_fence bigint,
    p_error text,
    p_permanent boolean default false,
    p_retry_at timestamptz default null,
    p_alone boolean default false,
    p_bytes bigint default null,
    p_of_source boolean default false,
    p_calls integer default null
)
returns table (outcome text, due_in double precision)
language plpgsql
rows 1
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_error text := left(p_error, 1000);
    v_wait interval;
    v_job freshness.jobs;
    v_type freshness.data_types;
    v_is_last boolean;
    v_due_at timestamptz;
begin
    select * into v_job
    from freshness.jobs as j
    where j.data_type = p_data_type and j.symbol = p_symbol and j.state = 'running' and j.fence = p_fence
    for update;
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    if v_job.fence is null or v_type.name is null then
        return;
    end if;

    -- A moment that is past says nothing. Never earlier than the source asked for, nor all keys at that very moment.
    if p_retry_at > v_now then
        v_wait := least(p_retry_at, v_now + interval '7 days') - v_now;
        v_wait := v_wait + least(v_wait / 10, interval '10 seconds') * random();
    end if;
    v_is_last := v_wait is null and (p_permanent or v_job.attempts + 1 >= v_type.max_attempts);

    update freshness.jobs as j
    set
        state = case when v_is_last then 'failed' else 'scheduled' end::freshness.job_state,
        worker = null, fence = null, started_at = null, waited = null,
        attempts = j.attempts + case when v_wait is null then 1 else 0 end,
        run_at = v_now,
        not_before = v_now + case
            when v_wait is not null then v_wait
            when v_is_last then interval '1 hour'
            else freshness.backoff(j.attempts + 1, v_type.backoff_first, v_type.backoff_longest)
        end,
        last_error = v_error,
        calls = 0,
        estimated_size_bytes = coalesce(p_bytes, j.estimated_size_bytes),
        alone = j.alone or p_alone or p_permanent
    where j.data_type = p_data_type and j.symbol = p_symbol
    returning j.due_at into v_due_at;

    insert into freshness.spent_calls (source, calls, bytes)
    select v_type.source, coalesce(p_calls, v_job.calls), coalesce(p_bytes, v_job.estimated_size_bytes, 0)
    where v_job.calls > 0 and v_type.source is not null;

    insert into freshness.events (kind, data_type, symbol, worker, fence, duration, waited, bytes, message)
    values (
        case when v_wait is null then 'failed' else 'retry_after' end, p_data_type, p_symbol, v_job.worker, p_fence,
        v_now - v_job.started_at, v_job.waited, p_bytes, v_error
    );
    if v_wait is not null then
        perform freshness.pause_source(v_type.source, v_now + v_wait, v_error) where v_type.source is not null;
    elsif p_of_source then
        perform freshness.note_source_failure(v_type.source, v_error) where v_type.source is not null;
    end if;
    return query
    select
        case when v_wait is not null then 'retry_after' when v_is_last then 'failed' else 'scheduled' end,
        freshness.seconds_until(freshness.next_of_source(v_type.source, v_due_at));
end
$$;

comment on function freshness.fail is
    'Ends a refresh that failed, with its reason (cut at 1,000 characters). The job is tried again after the data'
    ' type''s backoff; after its max_attempts, or at once with p_permanent, it is set aside for an hour. p_retry_at:'
    ' the source asked not to come earlier (7 days at most), which is no failure of the key and not counted as one; a'
    ' moment that is past says nothing. p_alone: a batch with the key was refused, fetched by itself next time.'
    ' p_of_source: not this key but its source did not answer. p_bytes: size of what was received; p_calls: calls that'
    ' it took. Returns scheduled, failed or retry_after, and in how many seconds the worker should claim again; no row'
    ' when the fence was lost.';
-- <<<

-- >>> sql/580_tell.sql
-- Everything that becomes of a key is an event, so whoever waits for one is told where events are added. A NOTIFY holds
-- up the commits of the whole server: it goes out only for keys that somebody listens for. Why none is missed, and what
-- it costs when nobody listens: docs/waiting.md.
create function freshness.tell_listeners()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
declare
    -- What such a transaction sees may be old: tell all.
    v_sees_the_past boolean := current_setting('transaction_isolation') <> 'read committed';
begin
    if not v_sees_the_past and not exists (select from freshness.listeners) then
        return null;
    end if;
    perform pg_notify(
        'freshness_events',
        jsonb_build_object(
            'id', a.id, 'data_type', a.data_type, 'symbol', a.symbol, 'kind', a.kind, 'fence', a.fence,
            'happened_at', a.happened_at,
            'status', freshness.stream_status(j, a.kind <> 'missing', j.fresh_until, a.happened_at),
            'fresh_until', case when isfinite(j.fresh_until) then j.fresh_until end,
            'due_at', case when isfinite(j.due_at) then j.due_at end
        )::text
    )
    from added as a
    left join freshness.jobs as j on j.data_type = a.data_type and j.symbol = a.symbol
    where
        a.symbol is not null
        and (
            v_sees_the_past
            or exists (
                select from freshness.listeners as l
                where
                    l.data_type = a.data_type and l.symbol = a.symbol
                    and (l.is_told_of_starts or a.kind <> 'refreshing')
            )
        );
    return null;
end
$$;

comment on function freshness.tell_listeners() is
    'Trigger function of events: tells those who listen for a key on channel freshness_events, once this transaction'
    ' commits. The payload is the event without its message, and the key''s state from then on. A hint only: what is'
    ' true is in the tables, and whoever misses it looks within half a minute.';

create trigger tell_listeners
after insert on freshness.events
referencing new table as added
for each statement
execute function freshness.tell_listeners();

-- That a key is asked for is no event; it takes a number all the same, in whose order states are told.
create function freshness.tell_queued(p_data_type text, p_symbols text[], p_requested_at timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if not exists (select from freshness.listeners) then
        return;
    end if;
    perform pg_notify(
        'freshness_events',
        jsonb_build_object(
            'id', nextval('freshness.events_id_seq'), 'data_type', j.data_type, 'symbol', j.symbol, 'kind', 'queued',
            'fence', j.fence, 'happened_at', p_requested_at, 'status', 'queued',
            'fresh_until', case when isfinite(j.fresh_until) then j.fresh_until end, 'due_at', j.due_at
        )::text
    )
    from freshness.jobs as j
    where
        j.data_type = p_data_type
        and j.symbol in (select c.symbol from freshness.canonical_symbols(p_data_type, p_symbols) as c)
        and j.requested_at = p_requested_at
        and freshness.stream_status(j, true, j.fresh_until, p_requested_at) = 'queued'
        and exists (
            select from freshness.listeners as l
            where l.data_type = j.data_type and l.symbol = j.symbol and l.is_told_of_starts
        );
end
$$;

comment on function freshness.tell_queued(text, text[], timestamptz) is
    'Tells those who listen for starts that keys were asked for in this transaction, which holds their jobs.';
-- <<<

-- >>> sql/582_listen_for.sql
create function freshness.listen_for(
    p_data_type text, p_symbols text[], p_backend integer, p_tell_starts boolean default false
)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    insert into freshness.listeners as l (data_type, symbol, backend, is_told_of_starts)
    select p_data_type, s.symbol, p_backend, p_tell_starts
    from (select distinct unnest(p_symbols) as symbol) as s
    where s.symbol is not null
    order by s.symbol
    on conflict (data_type, symbol, backend, is_told_of_starts) do update set seen_at = excluded.seen_at;
end
$$;

comment on function freshness.listen_for(text, text[], integer, boolean) is
    'Has what becomes of keys (canonical symbols) told to p_backend, which listens to channel freshness_events already.'
    ' p_tell_starts: also that a fetch starts. To be called again each half minute. To miss nothing, lock the keys'''
    ' jobs first, in the same transaction, and look afterwards (freshness.wait_for).';

create function freshness.stop_listening(
    p_backend integer,
    p_data_type text default null,
    p_symbols text[] default null,
    p_tell_starts boolean default null
)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    delete from freshness.listeners as l
    where
        l.backend = p_backend and p_data_type is null
        and (p_tell_starts is null or l.is_told_of_starts = p_tell_starts);
    delete from freshness.listeners as l
    where
        l.data_type = p_data_type and l.symbol = any (p_symbols) and l.backend = p_backend
        and (p_tell_starts is null or l.is_told_of_starts = p_tell_starts);
end
$$;

comment on function freshness.stop_listening(integer, text, text[], boolean) is
    'Ends what listen_for began, for these keys of a data type or, without one, for all that the backend listens for.'
    ' p_tell_starts: only what was begun with the same; null: either.';

create function freshness.forget_lost_listeners()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_forgotten integer;
begin
    with lost as materialized (
        select l.data_type, l.symbol, l.backend, l.is_told_of_starts
        from freshness.listeners as l
        where
            l.seen_at < clock_timestamp() - interval '65 seconds'
            -- The clock was set back.
            or l.seen_at > clock_timestamp() + interval '65 seconds'
            or l.backend not in (select a.pid from pg_catalog.pg_stat_activity as a)
        for update of l skip locked
    )

    delete from freshness.listeners as l
    using lost as o
    where
        l.data_type = o.data_type and l.symbol = o.symbol and l.backend = o.backend
        and l.is_told_of_starts = o.is_told_of_starts;
    get diagnostics v_forgotten = row_count;
    return v_forgotten;
end
$$;

comment on function freshness.forget_lost_listeners() is
    'Forgets listeners whose backend is gone, or that have not looked for long, and returns their number. Called by the'
    ' sweep, and by each client that begins to listen.';
-- <<<

-- >>> sql/584_waits.sql
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
-- <<<

-- >>> sql/586_wait_for.sql
-- Looks, requests what is not fresh, and has its end told. All that ends a refresh changes its job, and reads who
-- listens after that, in a later statement. So with the job locked here it has either ended before our last look, or
-- reads after our commit that we listen: nothing is in between (docs/waiting.md).
create function freshness.wait_for(
    p_data_type text,
    p_symbols text[],
    p_refresh_now boolean[],
    p_since timestamptz[],
    p_backend integer default null,
    p_priority integer default null
)
returns table (
    place bigint, symbol text, status text, age double precision, fresh_until timestamptz, error text,
    is_over boolean, since timestamptz
)
language plpgsql
rows 10
set search_path = pg_temp
set lock_timeout = '1s'
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
    v_symbols text[];
    v_since timestamptz[];
    v_new text[];
    v_open text[];
begin
    select array_agg(c.symbol order by g.place) into v_symbols
    from unnest(p_symbols) with ordinality as g (given, place)
    left join freshness.canonical_symbols(p_data_type, p_symbols) as c on c.given = g.given;
    v_new := array(
        select w.symbol
        from unnest(v_symbols, p_refresh_now, p_since) as w (symbol, refresh_now, since)
        where w.refresh_now and w.since is null
    );
    v_open := v_new || array(
        select w.symbol
        from freshness.waits(p_data_type, v_symbols, p_refresh_now, p_since, v_now) as w
        where not w.is_over
    );

    -- In one order for all. Those that have no job yet get one that nobody else sees.
    perform from freshness.jobs as j
    where j.data_type = p_data_type and j.symbol = any (v_open) and p_backend is not null
    order by j.symbol
    for no key update;
    if cardinality(v_new) > 0 then
        perform freshness.request(p_data_type, v_new, true, p_priority);
    end if;
    -- Says too that there is no such data type.
    perform freshness.request(p_data_type, v_open, false, p_priority);
    if p_backend is not null then
        perform freshness.listen_for(p_data_type, v_open, p_backend);
    end if;

    select array_agg(case when w.refresh_now then coalesce(w.since, j.required_as_of) end order by w.place)
    into v_since
    from unnest(v_symbols, p_refresh_now, p_since) with ordinality as w (symbol, refresh_now, since, place)
    left join freshness.jobs as j on j.data_type = p_data_type and j.symbol = w.symbol;
    return query
    select w.*, v_since[w.place]
    from freshness.waits(p_data_type, v_symbols, p_refresh_now, v_since, v_now) as w;
    if p_backend is not null then
        perform freshness.stop_listening(
            p_backend, p_data_type, array(select s from unnest(v_symbols) as s where s <> all (v_open)), false
        );
    end if;
end
$$;

comment on function freshness.wait_for(text, text[], boolean[], timestamptz[], integer, integer) is
    'Begins waits for keys of one data type, or looks at them again: p_symbols[i], until it is fresh or, with'
    ' p_refresh_now[i], until a fetch begun after this one has ended (p_since[i] is null at first, and then what was'
    ' returned). What is not over is requested, and told to backend p_backend, which listens to channel'
    ' freshness_events; null: it is not told. Pass all waits of a process for a key at once. Returns for each place in'
    ' the lists the symbol, the status (fresh, refreshing, stale, missing, failed), the age of the data in seconds,'
    ' the error that holds it up, and whether the wait is over; no row for what is no symbol. FR001: the data type is'
    ' not registered.';
-- <<<

-- >>> sql/588_tell_lines.sql
-- What a refresher says while it runs is no state: it is stored nowhere, and told only to those who stream its keys.
create function freshness.tell_lines(p_said jsonb)
returns integer
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    -- What is longer cannot be notified: of an immense symbol.
    c_longest constant integer := 7999;
    v_told integer;
begin
    if not exists (select from freshness.listeners as l where l.is_told_of_starts) then
        return 0;
    end if;
    perform pg_notify('freshness_events', t.payload)
    from (
        select
            jsonb_build_object(
                'kind', 'log', 'data_type', g.said ->> 'data_type', 'symbol', s.symbol, 'line', n.line,
                'left_out', case when n.place = 1 then g.said -> 'left_out' else '0' end,
                'said_at', clock_timestamp(),
                -- Of two that are the same Postgres would leave one out.
                'place', row_number() over (order by g.place, n.place)
            )::text as payload
        from jsonb_array_elements(p_said) with ordinality as g (said, place)
        cross join lateral jsonb_array_elements_text(g.said -> 'symbols') as s (symbol)
        cross join lateral jsonb_array_elements_text(g.said -> 'lines') with ordinality as n (line, place)
        where exists (
            select from freshness.listeners as l
            where l.data_type = g.said ->> 'data_type' and l.symbol = s.symbol and l.is_told_of_starts
        )
        order by g.place, n.place
    ) as t
    where octet_length(t.payload) <= c_longest;
    get diagnostics v_told = row_count;
    return v_told;
end
$$;

comment on function freshness.tell_lines(jsonb) is
    'Tells lines of refreshers to those who stream their keys, on channel freshness_events, and returns how many were'
    ' told. p_said is a list of {data_type, symbols, lines, left_out}: each line for each symbol, and how many were'
    ' lost before the first. When nobody streams these keys nothing is written, and nobody is notified.';
-- <<<

-- >>> sql/590_stream_states.sql
-- What streams say of keys. A state's version orders the states of one key: whatever changes a key's job holds it
-- locked, and takes the number of its event meanwhile. So a number that is taken with the job locked lies between those
-- of the changes before and of the changes after: no version goes back, in any process, also after a restart.
create function freshness.stream_status(
    p_job freshness.jobs, p_present boolean, p_fresh_until timestamptz, p_now timestamptz
)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return case
        when p_job.state = 'running' then 'refreshing'
        when p_fresh_until > p_now and p_job.required_as_of is null then
            case when p_present then 'fresh' else 'missing' end
        when p_job.state = 'failed' then 'failed'
        -- Not what waits for its market to open.
        when p_job.not_before > p_now and (p_job.attempts > 0 or p_job.last_error is not null) then 'failed'
        else 'queued'
    end;
end
$$;

comment on function freshness.stream_status(freshness.jobs, boolean, timestamptz, timestamptz) is
    'The status that streams say: refreshing, fresh, missing (the source has no such rows), failed (held back), or'
    ' queued.';

create function freshness.stream_states(p_data_types text[], p_symbols text[])
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set lock_timeout = '100ms'
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
    v_type record;
begin
    for v_type in
        select k.data_type, array_agg(distinct k.symbol) as symbols
        from unnest(p_data_types, p_symbols) as k (data_type, symbol)
        join freshness.data_types as t on t.name = k.data_type
        group by k.data_type
    loop
        begin
            return query
            select
                v_type.data_type, l.symbol, freshness.stream_status(j.job, l.present, l.fresh_until, v_now),
                case when isfinite(l.fresh_until) then l.fresh_until end,
                case when isfinite((j.job).due_at) then (j.job).due_at end
            from freshness.look(v_type.data_type, v_type.symbols) as l
            left join lateral (
                select o as job from freshness.jobs as o where o.data_type = v_type.data_type and o.symbol = l.symbol limit 1
            ) as j on true;
        exception
            -- Somebody alters the table. One question serves all streams: it says what the jobs know, and waits not.
            when lock_not_available then
                return query
                select
                    v_type.data_type, s.symbol, freshness.stream_status(j, true, j.fresh_until, v_now),
                    case when isfinite(j.fresh_until) then j.fresh_until end,
                    case when isfinite(j.due_at) then j.due_at end
                from unnest(v_type.symbols) as s (symbol)
                left join freshness.jobs as j on j.data_type = v_type.data_type and j.symbol = s.symbol;
        end;
    end loop;
end
$$;

comment on function freshness.stream_states(text[], text[]) is
    'The states of keys (canonical symbols) as streams say them, each key once, without locking anything.';

create function freshness.hold_jobs(p_data_types text[], p_symbols text[])
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    -- In one order for all.
    perform from freshness.jobs as j
    where (j.data_type, j.symbol) in (select k.* from unnest(p_data_types, p_symbols) as k (data_type, symbol))
    order by j.data_type, j.symbol
    for no key update;
end
$$;

comment on function freshness.hold_jobs(text[], text[]) is
    'Locks the jobs of keys (canonical symbols) until the transaction ends: nothing becomes of them meanwhile.';

create function freshness.follow_keys(p_data_types text[], p_symbols text[], p_backend integer)
returns table (
    data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz, version bigint
)
language plpgsql
rows 10
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_version bigint;
begin
    perform freshness.hold_jobs(p_data_types, p_symbols);
    perform freshness.listen_for(k.data_type, array_agg(k.symbol), p_backend, true)
    from unnest(p_data_types, p_symbols) as k (data_type, symbol)
    where p_backend is not null
    group by k.data_type;
    v_version := nextval('freshness.events_id_seq');
    return query select s.*, v_version from freshness.stream_states(p_data_types, p_symbols) as s;
end
$$;

comment on function freshness.follow_keys(text[], text[], integer) is
    'The states of keys (canonical symbols) with their versions. What becomes of them from then on is told to backend'
    ' p_backend on channel freshness_events, with greater versions (id); null: to nobody.';
-- <<<

-- >>> sql/591_refuse_streams.sql
-- A stream watches its keys as cards do: both count towards the keys that a user may watch.
create function freshness.refuse_streams(p_streams text[], p_data_types text[], p_symbols text[])
returns text[]
language plpgsql
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_most integer := (select l.keys_per_user from freshness.limits_of_cards() as l);
    v_owner text;
    v_held text[];
    v_with text[];
    v_stream record;
    v_refused text[] := array[]::text[];
begin
    -- As cards do (freshness.refuse_too_many), before any job is locked, and in one order for all.
    perform pg_advisory_xact_lock(o.lock)
    from (
        select distinct hashtextextended('freshness.watch ' || freshness.lease_owner(g.stream), 0) as lock
        from unnest(p_streams) as g (stream)
        order by 1
    ) as o;

    for v_owner in
        select k.owner
        from (
            select freshness.lease_owner(g.stream) as owner, g.data_type, g.symbol
            from unnest(p_streams, p_data_types, p_symbols) as g (stream, data_type, symbol)
            union
            select o.owner, h.data_type, h.symbol
            from (select distinct freshness.lease_owner(g.stream) as owner from unnest(p_streams) as g (stream)) as o
            cross join lateral freshness.leased_keys(o.owner) as h
        ) as k
        group by k.owner
        having count(*) > v_most
    loop
        -- Not all fit: those that come first do.
        v_held := array(select h.data_type || ':' || h.symbol from freshness.leased_keys(v_owner) as h);
        for v_stream in
            select g.stream, array_agg(g.data_type || ':' || g.symbol) as keys
            from unnest(p_streams, p_data_types, p_symbols) with ordinality as g (stream, data_type, symbol, place)
            where freshness.lease_owner(g.stream) = v_owner
            group by g.stream
            order by min(g.place)
        loop
            v_with := array(select unnest(v_held) union select unnest(v_stream.keys));
            if cardinality(v_with) > greatest(v_most, cardinality(v_held)) then
                v_refused := v_refused || v_stream.stream;
            else
                v_held := v_with;
            end if;
        end loop;
    end loop;
    return v_refused;
end
$$;

comment on function freshness.refuse_streams(text[], text[], text[]) is
    'Which of these streams (each with its canonical keys) are not to open, because their users would watch more keys'
    ' than freshness.card_limits allows, with cards and streams. Until the transaction ends no other one adds keys for'
    ' these users.';
-- <<<

-- >>> sql/592_watch_streams.sql
-- An open stream is a watch, with a lease that its process renews.
create function freshness.lease_streams(p_streams text[], p_data_types text[], p_symbols text[], p_lease interval)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    insert into freshness.watches as w (data_type, symbol, watcher, lease_until)
    select k.data_type, k.symbol, k.stream, clock_timestamp() + p_lease
    from (
        select distinct g.data_type, g.symbol, g.stream
        from unnest(p_streams, p_data_types, p_symbols) as g (stream, data_type, symbol)
        join freshness.data_types as t on t.name = g.data_type
    ) as k
    order by k.data_type, k.symbol, k.stream
    on conflict (data_type, symbol, watcher) do update set lease_until = excluded.lease_until
    where w.lease_until < excluded.lease_until - p_lease / 4;
end
$$;

comment on function freshness.lease_streams(text[], text[], text[], interval) is
    'Takes or renews the leases of streams on keys (canonical symbols); writes those of which a quarter has passed.';

create function freshness.watch_streams(p_streams text[], p_data_types text[], p_symbols text[], p_lease interval)
returns void
language plpgsql
set search_path = pg_temp
set lock_timeout = '100ms'
set plan_cache_mode = force_generic_plan
as $$
declare
    -- Somebody waits for it, as with cards.
    c_priority constant integer := 1;
    v_type record;
begin
    perform freshness.lease_streams(p_streams, p_data_types, p_symbols, p_lease);

    for v_type in
        select k.data_type, array_agg(distinct k.symbol) as symbols, greatest(t.priority, c_priority) as priority
        from unnest(p_data_types, p_symbols) as k (data_type, symbol)
        join freshness.data_types as t on t.name = k.data_type
        group by k.data_type, t.priority
        order by k.data_type
    loop
        begin
            perform freshness.schedule(v_type.data_type, v_type.symbols, v_type.priority);
        exception
            -- Somebody alters the table: its streams open all the same, and the next claim looks.
            when lock_not_available then
                insert into freshness.pulls (data_type, symbol, priority, reason)
                select v_type.data_type, s, v_type.priority, 'watched' from unnest(v_type.symbols) as s;
        end;
    end loop;
end
$$;

comment on function freshness.watch_streams(text[], text[], text[], interval) is
    'Takes the leases of streams on keys (canonical symbols), and gives each key its job.';
-- <<<

-- >>> sql/593_open_streams.sql
-- Streams of different users that open at about the same time are opened together.
create function freshness.open_streams(
    p_streams text[], p_data_types text[], p_symbols text[], p_roles text[], p_lease interval, p_backend integer
)
returns table (
    place bigint, symbol text, status text, fresh_until timestamptz, due_at timestamptz, version bigint
)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_symbols text[];
    v_refusals text[];
    v_open bigint[];
    v_open_streams text[];
    v_open_types text[];
    v_open_symbols text[];
    v_refused text[];
begin
    with asked as materialized (
        select
            k.data_type, k.symbol, k.place, t.name is not null as known,
            coalesce(has_table_privilege(k.role, t.data_table, 'select'), false) as may_read
        from unnest(p_data_types, p_symbols, p_roles) with ordinality as k (data_type, symbol, role, place)
        left join freshness.data_types as t on t.name = k.data_type
    ),

    canonical as materialized (
        select a.data_type, c.given, c.symbol
        from (
            select d.data_type, array_agg(distinct d.symbol) as given from asked as d where d.may_read group by d.data_type
        ) as a
        cross join lateral freshness.canonical_symbols(a.data_type, a.given) as c
    )

    select
        array_agg(c.symbol order by a.place),
        array_agg(
            case
                when not a.known then 'unknown_data_type' when not a.may_read then 'forbidden'
                when c.symbol is null then 'invalid_symbol'
            end
            order by a.place
        ),
        array_agg(a.place order by a.place) filter (where c.symbol is not null),
        array_agg(p_streams[a.place] order by a.place) filter (where c.symbol is not null),
        array_agg(a.data_type order by a.place) filter (where c.symbol is not null),
        array_agg(c.symbol order by a.place) filter (where c.symbol is not null)
    into v_symbols, v_refusals, v_open, v_open_streams, v_open_types, v_open_symbols
    from asked as a
    left join canonical as c on c.data_type = a.data_type and c.given = a.symbol and a.may_read;

    select
        freshness.refuse_streams(array_agg(p_streams[u.place]), array_agg(u.data_type), array_agg(u.symbol))
    into v_refused
    from unnest(v_open, v_open_types, v_open_symbols) as u (place, data_type, symbol)
    where p_roles[u.place] <> 'service_role';
    if v_refused <> '{}' then
        select
            coalesce(array_agg(u.stream), '{}'), coalesce(array_agg(u.data_type), '{}'),
            coalesce(array_agg(u.symbol), '{}')
        into v_open_streams, v_open_types, v_open_symbols
        from unnest(v_open_streams, v_open_types, v_open_symbols) as u (stream, data_type, symbol)
        where u.stream <> all (v_refused);
    end if;

    -- First what exists, in one order for all: who adds keys holds nothing then that others wait for in a circle.
    perform freshness.hold_jobs(v_open_types, v_open_symbols);
    perform freshness.watch_streams(v_open_streams, v_open_types, v_open_symbols, p_lease);
    return query
    select
        k.place, coalesce(k.symbol, p_symbols[k.place]),
        coalesce(
            k.refusal, case when p_streams[k.place] = any (v_refused) then 'too_many_watched' end, f.status,
            'unknown_data_type'
        ),
        f.fresh_until, f.due_at, f.version
    from unnest(p_data_types, v_symbols, v_refusals) with ordinality as k (data_type, symbol, refusal, place)
    left join freshness.follow_keys(v_open_types, v_open_symbols, p_backend) as f
        on f.data_type = k.data_type and f.symbol = k.symbol;
end
$$;

comment on function freshness.open_streams(text[], text[], text[], text[], interval, integer) is
    'Opens streams: stream p_streams[i] of a caller in role p_roles[i] watches (p_data_types[i], p_symbols[i]) for'
    ' p_lease. Returns for each place the symbol and the state as freshness.follow_keys; or, as its status,'
    ' unknown_data_type, invalid_symbol, forbidden, when the role may not select from the table, or too_many_watched,'
    ' when its user would watch too many keys (freshness.refuse_streams). A stream''s name: stream:<id>:<its user''s>.';
-- <<<

-- >>> sql/594_keep_streams.sql
-- While streams are open their process looks for all of them together, and renews their leases, now and then.
create function freshness.look_at_streams(p_data_types text[], p_symbols text[], p_backend integer default null)
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
as $$
begin
    perform freshness.listen_for(k.data_type, array_agg(k.symbol), p_backend, true)
    from unnest(p_data_types, p_symbols) as k (data_type, symbol)
    where p_backend is not null
    group by k.data_type;
    return query select * from freshness.stream_states(p_data_types, p_symbols);
end
$$;

comment on function freshness.look_at_streams(text[], text[], integer) is
    'The states of keys without versions, to compare with what is known; freshness.follow_keys has those that differ.'
    ' Also says that backend p_backend still listens, which is to be said each half minute.';

create function freshness.renew_streams(
    p_streams text[], p_data_types text[], p_symbols text[], p_lease interval
)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    perform freshness.lease_streams(p_streams, p_data_types, p_symbols, p_lease);

    perform freshness.watch_streams(array_agg(k.stream), array_agg(k.data_type), array_agg(k.symbol), p_lease)
    from unnest(p_streams, p_data_types, p_symbols) as k (stream, data_type, symbol)
    where not exists (
        select from freshness.jobs as j where j.data_type = k.data_type and j.symbol = k.symbol
    )
    having count(*) > 0;
end
$$;

comment on function freshness.renew_streams(text[], text[], text[], interval) is
    'Renews the leases that streams hold on keys (canonical symbols); writes those of which a quarter has passed.';

create function freshness.close_streams(
    p_streams text[], p_data_types text[], p_symbols text[], p_backend integer default null
)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_ended integer;
begin
    delete from freshness.watches as w where w.watcher = any (p_streams) and w.lease_until is not null;
    get diagnostics v_ended = row_count;
    perform freshness.stop_listening(p_backend, k.data_type, array_agg(k.symbol), true)
    from unnest(p_data_types, p_symbols) as k (data_type, symbol)
    where p_backend is not null
    group by k.data_type;
    return v_ended;
end
$$;

comment on function freshness.close_streams(text[], text[], text[], integer) is
    'Ends the leases of streams, and has nothing more told to backend p_backend of these keys, which nobody streams any'
    ' more. Returns how many leases ended.';
-- <<<

-- >>> sql/596_stream_figures.sql
create function freshness.stream_figures(out streams bigint, out streamed_keys bigint)
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    select count(distinct w.watcher), count(distinct (w.data_type, w.symbol)) into streams, streamed_keys
    from freshness.watches as w
    where w.watcher like 'stream:%' and w.lease_until > clock_timestamp();
end
$$;

comment on function freshness.stream_figures() is
    'How many streams are open, in all processes, and on how many keys. Those of a process that was killed count until'
    ' their leases end.';
-- <<<

-- >>> sql/600_workers_come_and_go.sql
create function freshness.announce_worker(
    p_name text, p_heartbeat_limit interval default interval '15 seconds', p_takes_jobs boolean default false
)
returns bigint
language sql
set search_path = pg_temp
as $$
    insert into freshness.workers (name, heartbeat_limit, takes_jobs)
    values (p_name, p_heartbeat_limit, p_takes_jobs) returning id
$$;

comment on function freshness.announce_worker(text, interval, boolean) is
    'Makes a worker known and returns its id. It counts as dead when nothing is heard of it for p_heartbeat_limit'
    ' while it runs something. p_takes_jobs: jobs may be handed to it while it sleeps.';

create function freshness.heartbeat(p_worker bigint)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.workers as w set seen_at = clock_timestamp() where w.id = p_worker;
    return found;
end
$$;

comment on function freshness.heartbeat(bigint) is
    'Says that a worker is alive. False: it was taken for dead, and has to be announced anew.';

create function freshness.seen(p_worker bigint)
returns boolean
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_worker freshness.workers;
begin
    select * into v_worker from freshness.workers as w where w.id = p_worker;
    update freshness.workers as w set seen_at = clock_timestamp() where w.id = p_worker;
    return v_worker.seen_at > clock_timestamp() + interval '1 second';
end
$$;

comment on function freshness.seen(bigint) is
    'Part of claim: notes that a worker is alive. True: it was seen in the future, so the clock was set back; null: it'
    ' is not on the list.';

create function freshness.dismiss_worker(p_worker bigint)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_handed_back integer;
    v_data_types text[];
    v_type text;
begin
    delete from freshness.workers as w where w.id = p_worker;
    -- In the order of requests for many keys: neither waits for the other in a circle.
    perform from freshness.jobs as j
    where j.state = 'running' and j.worker = p_worker
    order by j.data_type, j.symbol
    for update;
    with handed_back as (
        update freshness.jobs as j
        set state = 'scheduled', worker = null, fence = null, started_at = null, waited = null, run_at = clock_timestamp()
        where j.state = 'running' and j.worker = p_worker
        returning j.data_type, j.symbol
    ),

    noted as (
        insert into freshness.events (kind, data_type, symbol, worker)
        select 'handed_back', h.data_type, h.symbol, p_worker from handed_back as h
    )

    select count(*), coalesce(array_agg(distinct h.data_type), '{}') into v_handed_back, v_data_types
    from handed_back as h;
    perform freshness.disarm(s.channel) from freshness.sleepers as s where s.worker = p_worker;
    foreach v_type in array v_data_types loop
        perform freshness.wake(v_type, clock_timestamp());
    end loop;
    return v_handed_back;
end
$$;

comment on function freshness.dismiss_worker(bigint) is
    'Takes a worker off the list and makes due what it still ran. Returns the number of those jobs.';
-- <<<

-- >>> sql/602_renew_worker.sql
-- A claim whose answer was lost on the way has been committed all the same: its jobs run for a worker that does not
-- know of them, and whose heartbeat keeps them. So after an error the worker goes on under a new id, and takes along
-- what it knows.
create function freshness.renew_worker(p_worker bigint, p_fences bigint[])
returns bigint
language plpgsql
set search_path = pg_temp
set lock_timeout = '1s'
as $$
declare
    v_old freshness.workers;
    v_new bigint;
begin
    -- Waits for a claim that is under way; one that comes later is refused, since its worker is not announced any more.
    delete from freshness.workers as w where w.id = p_worker returning w.* into v_old;
    if not found then
        raise exception using errcode = 'FR004', message = format('worker %s is not announced', p_worker),
            hint = 'It was taken for dead, or has left; announce it anew with freshness.announce_worker.';
    end if;
    v_new := freshness.announce_worker(v_old.name, v_old.heartbeat_limit, v_old.takes_jobs);
    update freshness.jobs as j set worker = v_new
    where j.state = 'running' and j.worker = p_worker and j.fence = any (p_fences);
    perform freshness.dismiss_worker(p_worker);
    return v_new;
end
$$;

comment on function freshness.renew_worker(bigint, bigint[]) is
    'Gives a worker a new id, by which it goes on with what it runs (fences of its jobs), and hands back everything'
    ' else that runs under the old one: for a worker that does not know whether a claim of its own was committed.'
    ' FR004: it is not announced.';
-- <<<

-- >>> sql/604_hand_back.sql
-- A worker that was handed a job (freshness.hand_over) and cannot run it, or may not be sure that it still runs for it.
create function freshness.hand_back(p_worker bigint, p_fences bigint[])
returns integer
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
set lock_timeout = '100ms'
as $$
declare
    v_data_types text[];
    v_type text;
    v_count integer;
begin
    with handed_back as (
        update freshness.jobs as j
        set
            state = 'scheduled', worker = null, fence = null, started_at = null, waited = null,
            run_at = clock_timestamp()
        where j.state = 'running' and j.worker = p_worker and j.fence = any (p_fences)
        returning j.data_type, j.symbol
    ),

    -- As its start: on record for those alone who are told of it.
    noted as (
        insert into freshness.events (kind, data_type, symbol, worker)
        select 'handed_back', h.data_type, h.symbol, p_worker
        from handed_back as h
        where exists (
            select from freshness.listeners as l
            where l.data_type = h.data_type and l.symbol = h.symbol and l.is_told_of_starts
        )
    )

    select count(*), array_agg(distinct h.data_type) into v_count, v_data_types from handed_back as h;
    foreach v_type in array coalesce(v_data_types, '{}') loop
        perform freshness.wake(v_type, clock_timestamp());
    end loop;
    return v_count;
end
$$;

comment on function freshness.hand_back(bigint, bigint[]) is
    'Makes due what was handed to a worker that does not begin with it (the fences of the jobs), and wakes whoever is'
    ' to claim it. Returns the number of those jobs; what does not run for it any more is passed over.';

create function freshness.taken_up(p_worker bigint, p_data_types text[])
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    perform freshness.seen(p_worker);
    perform freshness.call_understudy(p_worker, p_data_types);
end
$$;

comment on function freshness.taken_up(bigint, text[]) is
    'Says that a worker has begun with what was handed to it: one of those that sleep will notice if it dies.';
-- <<<

-- >>> sql/605_next_moment.sql
create function freshness.next_due(p_data_types text[])
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return (
        select min(greatest(d.due_at, s.opens_at))
        from freshness.data_types as t
        left join freshness.sources as s on s.name = t.source and s.opens_at > clock_timestamp()
        cross join generate_series(0, 9) as class (priority)
        cross join lateral (
            select j.due_at
            from freshness.jobs as j
            where j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
            order by j.due_at
            limit 1
        ) as d
        where t.name = any (p_data_types)
    );
end
$$;

comment on function freshness.next_due(text[]) is
    'When the next job of these data types is due and its source open; null when there is none.';

create function freshness.next_missed_heartbeat(p_worker bigint)
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    if freshness.runs_for_nobody() then
        return clock_timestamp();
    end if;
    return (
        select min(
            w.heartbeat_limit + case
                when w.seen_at + w.heartbeat_limit > clock_timestamp() then w.seen_at
                -- Not heard of for long, and yet not dead: what it runs was handed to it.
                else (
                    select min(freshness.last_sign(w.seen_at, j.started_at, w.heartbeat_limit))
                    from freshness.jobs as j
                    where j.worker = w.id and j.state = 'running'
                )
            end
        )
        from freshness.workers as w
        where
            w.id <> p_worker
            and exists (select from freshness.jobs as j where j.worker = w.id and j.state = 'running')
    );
end
$$;

comment on function freshness.next_missed_heartbeat(bigint) is
    'When the first of the other workers that run something will have missed its heartbeat, if it has died; at once'
    ' when something runs for one that is not on the list.';

create function freshness.next_moment(p_worker bigint, p_data_types text[])
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return least(freshness.next_due(p_data_types), freshness.next_missed_heartbeat(p_worker));
end
$$;

comment on function freshness.next_moment(bigint, text[]) is
    'When something is due for a worker: a deadline of its data types, or another worker''s missed heartbeat. In the'
    ' past: overdue. Null: nothing is known.';
-- <<<

-- >>> sql/610_arm.sql
-- Falling asleep, first step: say until when, and commit. From then on whoever writes a job that is due earlier says
-- so. One sleeper keeps the time for the others, which sleep on; they look each half minute, in case it died.
create function freshness.sleep_until(p_channel text, p_worker bigint, p_data_types text[])
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_moment timestamptz := coalesce(freshness.next_moment(p_worker, p_data_types), 'infinity');
begin
    if v_moment > clock_timestamp() and exists (
        select from freshness.sleepers as s
        where
            s.channel <> p_channel
            and s.data_types @> p_data_types
            and s.asleep_until between clock_timestamp() and v_moment
            and s.looked_at > clock_timestamp() - interval '65 seconds'
            and s.asleep_until < 'infinity'
    ) then
        return 'infinity'::timestamptz;
    end if;
    return v_moment;
end
$$;

comment on function freshness.sleep_until(text, bigint, text[]) is
    'Until when a worker may sleep: until something is due for it, or without end (infinity) when another sleeper that'
    ' can do its work wakes by then.';

create function freshness.arm(p_channel text, p_worker bigint, p_data_types text[], p_listener integer)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    insert into freshness.sleepers as s (channel, worker, data_types, listener, asleep_until, looked_at)
    values (
        p_channel, p_worker, p_data_types, p_listener,
        freshness.sleep_until(p_channel, p_worker, p_data_types), clock_timestamp()
    )
    on conflict (channel) do update set
        worker = excluded.worker,
        data_types = excluded.data_types,
        listener = excluded.listener,
        asleep_until = excluded.asleep_until,
        looked_at = excluded.looked_at;
end
$$;

comment on function freshness.arm(text, bigint, text[], integer) is
    'Puts a worker among the sleepers: p_channel is its own channel, p_listener the backend that listens to it already.'
    ' Commit, and call freshness.settle before sleeping.';

create function freshness.stay_awake(p_channel text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.sleepers as s
    set asleep_until = clock_timestamp(), looked_at = clock_timestamp()
    where s.channel = p_channel;
end
$$;

comment on function freshness.stay_awake(text) is
    'Says that a worker is awake and looks again within a second, without being told; then it has to arm.';

create function freshness.hand_on(p_data_types text[])
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_type text;
begin
    foreach v_type in array coalesce(p_data_types, '{}') loop
        perform freshness.wake(v_type, freshness.next_due(array[v_type]));
    end loop;
end
$$;

comment on function freshness.hand_on(text[]) is
    'Wakes those who sleep past what is due next: for a worker that has no free slot, and may have kept the time.';

create function freshness.disarm(p_channel text)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_data_types text[];
begin
    delete from freshness.sleepers as s where s.channel = p_channel returning s.data_types into v_data_types;
    perform freshness.hand_on(v_data_types);
end
$$;

comment on function freshness.disarm(text) is
    'Takes a worker from the sleepers, because it has no free slot or leaves, and hands on keeping the time.';
-- <<<

-- >>> sql/612_understudy.sql
-- Whoever keeps the time may be killed, and then nobody hears of it. So one of those that sleep on wakes a second later
-- than the timekeeper should have, for itself: writers need not know, so nothing is written down.
create function freshness.understudy_until(p_channel text, p_worker bigint, p_data_types text[])
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    if exists (
        select from freshness.sleepers as s
        where
            s.channel < p_channel
            and s.data_types @> p_data_types
            and s.asleep_until = 'infinity'
            and s.looked_at > clock_timestamp() - interval '65 seconds'
    ) then
        return null;
    end if;
    return least(
        freshness.next_due(p_data_types) + interval '1 second',
        -- Nobody can be relied on to notice its own death.
        freshness.next_missed_heartbeat(p_worker),
        -- What it ran when it called may be over; the next is near, and need not call again.
        (
            select min(w.seen_at + w.heartbeat_limit)
            from freshness.workers as w
            where
                w.id <> p_worker
                -- A claim need not have written down that it was heard of.
                and w.seen_at > clock_timestamp() - interval '1 second' - least(w.heartbeat_limit / 8, interval '5 seconds')
        )
    );
end
$$;

comment on function freshness.understudy_until(text, bigint, text[]) is
    'When a worker that leaves the time to another one looks whether that one still lives; null: somebody else does, or'
    ' nothing is known to be due.';

create function freshness.call_understudy(p_worker bigint, p_data_types text[])
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_dead_at timestamptz := (select v_now + w.heartbeat_limit from freshness.workers as w where w.id = p_worker);
    v_channel text;
begin
    -- No signal for what is further away than a look.
    if v_dead_at > v_now + interval '35 seconds' or exists (
        select from freshness.sleepers as s
        where
            s.worker <> p_worker
            and s.data_types @> p_data_types
            and least(s.asleep_until, s.rings_at) between v_now and v_dead_at + interval '1 second'
            and s.looked_at > v_now - interval '65 seconds'
    ) then
        return;
    end if;
    select s.channel into v_channel
    from freshness.sleepers as s
    where
        s.worker <> p_worker
        and s.data_types @> p_data_types
        and s.asleep_until > v_now
        and s.looked_at > v_now - interval '65 seconds'
    order by s.channel
    limit 1;
    if found then
        perform pg_notify(v_channel, v_dead_at::text);
    end if;
end
$$;

comment on function freshness.call_understudy(bigint, text[]) is
    'Part of claim: tells one of the sleepers when this worker, which runs something now, will have missed its'
    ' heartbeat if it dies; nobody when one of them looks by then anyway.';
-- <<<

-- >>> sql/615_settle.sql
-- Falling asleep, second step, in a transaction after arming: look until nobody is left who may have written a job
-- without seeing that we sleep. Such a writer had its transaction id before we took ours (p_since), so it has ended
-- when all running transactions are younger. A long foreign transaction need not be waited for: a writer of jobs holds
-- a lock on their table, so those that hold one are named (p_suspects), and waited for alone.
create function freshness.settle(
    p_channel text,
    p_worker bigint,
    p_data_types text[],
    p_listener integer,
    p_since xid8 default null,
    p_suspects text[] default null
)
returns table (seconds double precision, settled boolean, since xid8, suspects text[])
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_since xid8 := p_since;
    v_suspects text[] := p_suspects;
    v_settled boolean := false;
    v_xmin xid8;
    v_moment timestamptz;
    v_armed_until timestamptz;
    v_rings_at timestamptz;
begin
    if v_since is null then
        v_since := pg_current_xact_id();
        perform freshness.note_look(p_channel);
    elsif v_suspects is null then
        v_suspects := freshness.job_writers();
    else
        v_suspects := array(
            select w from unnest(freshness.job_writers()) as w where w = any (p_suspects)
        );
    end if;
    v_settled := cardinality(v_suspects) = 0;

    -- One snapshot for both: what it sees is all that those who have ended have written.
    select
        pg_snapshot_xmin(pg_current_snapshot()),
        freshness.sleep_until(p_channel, p_worker, p_data_types),
        (select s.asleep_until from freshness.sleepers as s where s.channel = p_channel)
    into v_xmin, v_moment, v_armed_until;
    v_settled := coalesce(v_settled, false) or v_xmin >= v_since;

    if v_moment > clock_timestamp() and v_moment is distinct from v_armed_until then
        -- Something changed meanwhile: say so, commit, and begin anew.
        perform freshness.arm(p_channel, p_worker, p_data_types, p_listener);
        return query select 0.002::double precision, false, null::xid8, null::text[];
        return;
    end if;
    if v_moment = 'infinity' then
        v_rings_at := freshness.understudy_until(p_channel, p_worker, p_data_types);
        v_moment := coalesce(v_rings_at, v_moment);
    end if;
    update freshness.sleepers as s set rings_at = v_rings_at
    where s.channel = p_channel and s.rings_at is distinct from v_rings_at;
    return query
    select
        least(freshness.seconds_until(v_moment), freshness.seconds_until_fold()),
        v_settled, v_since, v_suspects;
end
$$;

comment on function freshness.settle(text, bigint, text[], integer, xid8, text[]) is
    'Looks whether a worker that is armed may sleep. seconds: until something is due (0 or less: claim; null: never).'
    ' settled: sleep so long. Otherwise call again soon with since, and after a while with suspects too.';

create function freshness.note_look(p_channel text)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    update freshness.sleepers as s set looked_at = clock_timestamp() where s.channel = p_channel;
    delete from freshness.sleepers as s
    where
        s.looked_at < clock_timestamp() - interval '65 seconds'
        or not exists (select from pg_catalog.pg_stat_activity as a where a.pid = s.listener);
end
$$;

comment on function freshness.note_look(text) is
    'Notes that a sleeper has looked, and removes those that have not for long or whose listener is gone.';

create function freshness.job_writers()
returns text[]
language plpgsql
volatile
set search_path = pg_temp
as $$
begin
    return (
        select coalesce(array_agg(distinct l.virtualtransaction), '{}')
        from pg_catalog.pg_locks as l
        where
            l.locktype = 'relation'
            and l.mode = 'RowExclusiveLock'
            and l.relation in ('freshness.jobs'::regclass, 'freshness.pulls'::regclass)
            and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
            and l.pid is distinct from pg_backend_pid()
    );
end
$$;

comment on function freshness.job_writers() is 'Transactions that have written to jobs or pulls and not yet ended.';
-- <<<

-- >>> sql/700_somebody_works.sql
create function freshness.somebody_works()
returns boolean
language sql
stable
set search_path = pg_temp
as $$
    select
        exists (select from freshness.workers as w where w.seen_at > clock_timestamp() - interval '90 seconds')
        or exists (select from freshness.sleepers as s where s.looked_at > clock_timestamp() - interval '90 seconds')
$$;

comment on function freshness.somebody_works() is
    'Whether a worker has been heard of in the last 90 seconds: by a claim or a heartbeat, or asleep by a look, as each'
    ' makes every half minute.';
-- <<<

-- >>> sql/705_differing_subscriptions.sql
-- Reading a subscription's filters in full, through jsonb, costs more than anything else a sweep does. Nearly all have
-- one filter, eq on the symbol column: those are plain, and read by the names of the filter type's fields.
create function freshness.plain_symbol()
returns text
language sql
stable
set search_path = pg_temp
-- It reads a few rows of a large catalog, also for a caller that compares all with all.
set enable_nestloop = on
as $$
    select case
        when c.names @> array['column_name', 'op', 'value'] then
            'case when t.symbol_column is null then ''GLOBAL'''
            || ' when (s.filter).column_name = t.symbol_column and (s.filter).op::text = ''eq'''
            || case when 'negate' = any (c.names) then ' and (s.filter).negate is not true' else '' end
            || ' then (s.filter).value::text end'
        -- A type of filter that is not known here: none is plain.
        else 'null::text'
    end
    from (
        select coalesce(array_agg(f.attname::text), '{}') as names
        from pg_catalog.pg_attribute as s
        join pg_catalog.pg_type as a on a.oid = s.atttypid
        join pg_catalog.pg_type as e on e.oid = a.typelem
        join pg_catalog.pg_attribute as f on f.attrelid = e.typrelid and f.attnum > 0 and not f.attisdropped
        where s.attrelid = to_regclass('realtime.subscription') and s.attname = 'filters' and not s.attisdropped
    ) as c
$$;

comment on function freshness.plain_symbol() is
    'SQL for the symbol that a subscription names, if it is plain, else null. In it t is the row of the registry, and'
    ' s.filter the only filter.';

create function freshness.differing_subscriptions(out plain bigint[], out others bigint[])
language plpgsql
stable
set search_path = pg_temp
-- All are compared with all, however few the planner takes them for while a sweep is filling an empty table.
set enable_nestloop = off
as $$
begin
    plain := '{}';
    others := '{}';
    if to_regclass('realtime.subscription') is null then
        return;
    end if;
    execute format(
        $query$
        with tables as materialized (
            select
                e.entity, t.name, t.symbol_column,
                t.symbol_column is null or (
                    select a.atttypid in ('text'::regtype, 'varchar'::regtype)
                    from pg_catalog.pg_attribute as a
                    where a.attrelid = t.data_table and a.attname = t.symbol_column and not a.attisdropped
                ) as is_text
            from (select distinct s.entity from realtime.subscription as s) as e
            join freshness.data_types as t on t.data_table in (e.entity, pg_catalog.pg_partition_root(e.entity))
        ),

        named as (
            select s.id, s.subscription_id, t.name, t.is_text, %s as symbol
            from (
                select
                    s.id, s.subscription_id, s.entity,
                    case when cardinality(s.filters) = 1 then s.filters[1] end as filter
                from realtime.subscription as s
                offset 0
            ) as s
            join tables as t on t.entity = s.entity
            offset 0
        ),

        differing as materialized (
            select
                n.id,
                (w.subscription_row is null and n.is_text and length(n.symbol) between 1 and 200) is true as is_plain
            from named as n
            left join freshness.watches as w on w.subscription_row = n.id and w.data_type = n.name
            where
                (w.subscription_id = n.subscription_id and w.symbol = n.symbol and w.watcher = 'realtime:' || n.id)
                is not true
                -- Those in the inbox are left to the next fold.
                and n.id not in (
                    select p.subscription_row from freshness.pulls as p where p.subscription_row is not null
                )
        )

        select
            array(select d.id from differing as d where d.is_plain order by d.id),
            array(select distinct d.id from differing as d where not d.is_plain order by d.id)
        $query$,
        freshness.plain_symbol()
    ) into plain, others;
end
$$;

comment on function freshness.differing_subscriptions() is
    'ids in realtime.subscription, in order, that may lack a watch or have a wrong one. plain: those with one filter,'
    ' eq on a symbol column of type text, and no watch. others: the rest; those with several filters or symbols, or'
    ' none, are always among them.';
-- <<<

-- >>> sql/710_mend_watches.sql
create function freshness.mend_watches(p_rows bigint[])
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_mended integer;
begin
    with read as materialized (
        select
            k.data_type, k.symbol, k.subscription_row, k.subscription_id, k.problem,
            'realtime:' || k.subscription_row as watcher
        from freshness.subscribed_keys(p_rows) as k
    ),

    subscribed as materialized (
        select r.* from read as r where r.symbol is not null
    ),

    -- Lists to look a row up in, and an index to look it up by: nothing that the planner could join all with all, since
    -- it knows neither how many these are nor, after a large change, how many watches there are.
    wrong as materialized (
        select
            w.ctid as place,
            (w.data_type, w.symbol, w.watcher) in (select s.data_type, s.symbol, s.watcher from subscribed as s) as stays
        from freshness.watches as w
        where
            w.subscription_row = any (p_rows)
            -- What cannot be read now stays as it is.
            and w.subscription_row not in (select r.subscription_row from read as r where r.problem is not null)
            and (w.data_type, w.symbol, w.watcher, w.subscription_id) not in (
                select s.data_type, s.symbol, s.watcher, s.subscription_id from subscribed as s
            )
        for update skip locked
    ),

    removed as (
        delete from freshness.watches as w
        where w.ctid = any (array(select o.place from wrong as o where not o.stays))
        returning 1
    ),

    -- One that is there under this name with another subscription is put right, unless somebody holds it.
    added as (
        insert into freshness.watches as w (data_type, symbol, watcher, subscription_row, subscription_id)
        select s.data_type, s.symbol, s.watcher, s.subscription_row, s.subscription_id
        from subscribed as s
        where (
            select k.subscription_row = s.subscription_row and k.subscription_id = s.subscription_id
            from freshness.watches as k
            where k.data_type = s.data_type and k.symbol = s.symbol and k.watcher = s.watcher
        ) is not true
        order by s.data_type, s.symbol
        on conflict (data_type, symbol, watcher) do update set
            subscription_row = excluded.subscription_row,
            subscription_id = excluded.subscription_id,
            lease_until = null
        where
            (w.subscription_row, w.subscription_id)
            is distinct from (excluded.subscription_row, excluded.subscription_id)
        returning 1
    )

    select (select count(*) from removed) + (select count(*) from added) into v_mended;
    return v_mended;
end
$$;

comment on function freshness.mend_watches(bigint[]) is
    'Makes the watches of these rows of realtime.subscription what their filters say; returns how many were missing'
    ' or wrong. Their jobs are left to reconsider.';

create function freshness.watch_plain_subscriptions(p_rows bigint[])
returns integer
language plpgsql
set search_path = pg_temp
set enable_seqscan = off
as $$
declare
    v_added integer;
begin
    execute format(
        $query$
        with slice as materialized (
            select
                s.id, s.subscription_id, s.entity,
                case when cardinality(s.filters) = 1 then s.filters[1] end as filter
            from realtime.subscription as s
            where s.id = any ($1)
        ),

        named as materialized (
            select s.id, s.subscription_id, t.name, %s as symbol
            from (select distinct s.entity from slice as s) as e
            join freshness.data_types as t on t.data_table in (e.entity, pg_catalog.pg_partition_root(e.entity))
            join slice as s on s.entity = e.entity
        )

        insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
        select n.name, n.symbol, 'realtime:' || n.id, n.id, n.subscription_id
        from named as n
        where
            length(n.symbol) between 1 and 200
            -- Row by row, by their index: the planner may take a table for empty that a long sweep is filling.
            and n.name <> all (array(select w.data_type from freshness.watches as w where w.subscription_row = n.id))
        order by n.name, n.symbol
        $query$,
        freshness.plain_symbol()
    ) using p_rows;
    get diagnostics v_added = row_count;
    return v_added;
end
$$;

comment on function freshness.watch_plain_subscriptions(bigint[]) is
    'Adds the watches of plain subscriptions that have none, as freshness.differing_subscriptions tells, and returns'
    ' their number. Fails with unique_violation when such a watch is there under another subscription.';
-- <<<

-- >>> sql/715_doubtful_keys.sql
-- Of a key that waits for a later moment the stored rows must be looked at. Nearly always it waits for the right one: a
-- join shows that for all keys at once, where a symbol has one row at most. Only the rest are looked at one by one.
create function freshness.doubtful_keys(p_data_type text)
returns text[]
language plpgsql
stable
set search_path = pg_temp
set lock_timeout = '20ms'
as $$
declare
    v_type freshness.data_types;
    v_timestamp text;
    v_doubtful text[];
begin
    select t.* into strict v_type from freshness.data_types as t where t.name = p_data_type;
    if exists (
        select from pg_catalog.pg_index as i
        join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where
            i.indrelid = v_type.data_table and i.indisunique and i.indisvalid and i.indpred is null
            and i.indnkeyatts = 1 and a.attname = v_type.symbol_column
    ) then
        v_timestamp := freshness.timestamp_expression(
            freshness.find_timestamp_column(v_type.data_table, v_type.timestamp_column), v_type.time_zone,
            format('r.%I', v_type.timestamp_column)
        );
        execute format(
            $query$
            select array(
                select k.symbol
                from freshness.jobs as k
                join freshness.data_types as t on t.name = k.data_type
                left join %1$s as r on r.%2$I::text = k.symbol and isfinite(r.%3$I)
                cross join lateral (
                    select
                        %5$s as ttl,
                        case
                            when %4$s > $2 then null
                            when k.verified_at <= $2 and %4$s >= coalesce(k.stored_at, '-infinity')
                                then greatest(k.verified_at, %4$s)
                            else %4$s
                        end as counted_at
                ) as d
                cross join lateral (select case when d.counted_at is not null then %6$s end as fresh_until) as f
                where
                    k.data_type = $1 and k.state <> 'running' and k.unwatched_at is null and k.run_at > $2
                    and (
                        k.run_at <= case
                            when isfinite(f.fresh_until) then greatest(
                                f.fresh_until - (%7$s), d.counted_at + (f.fresh_until - d.counted_at) / 2
                            )
                            else f.fresh_until
                        end
                    ) is not true
            )
            $query$,
            v_type.data_table, v_type.symbol_column, v_type.timestamp_column, v_timestamp,
            freshness.ttl_expression(
                freshness.find_ttl_column(v_type.data_table, v_type.ttl_column), 'r.' || quote_ident(v_type.ttl_column)
            ),
            freshness.deadline_expression(v_type), freshness.ahead_expression(v_type)
        ) into v_doubtful using p_data_type, clock_timestamp();
        return v_doubtful;
    end if;
    return null;
exception
    -- The table is being altered, or a row spoils the statement.
    when others or assert_failure then
        return null;
end
$$;

comment on function freshness.doubtful_keys(text) is
    'Keys of a data type that wait for a later moment, but for those that the stored rows show to wait for the right'
    ' one. Null: not to be told, look at all that wait.';
-- <<<

-- >>> sql/720_differing_keys.sql
create function freshness.differing_keys(p_data_type text, out missing text[], out others text[])
language plpgsql
stable
set search_path = pg_temp
-- All are compared with all, however few the planner takes them for.
set enable_nestloop = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_waiting text[];
    v_doubtful text[] := freshness.doubtful_keys(p_data_type);
begin
    -- A key that is due is looked at by the claim. Keys in the inbox are left to the next fold.
    with keys as (
        select
            coalesce(w.symbol, j.symbol) as symbol,
            j.symbol is null as is_missing,
            j.state <> 'running' and j.unwatched_at is null and j.run_at > v_now as waits,
            case
                when j.symbol is null then true
                when j.viewers <> coalesce(w.viewers, 0) then true
                when j.state = 'running' then false
                when w.viewers is null and j.requested_at is null and j.required_as_of is null then
                    j.unwatched_at is null or j.unwatched_at > v_now or j.run_at > j.unwatched_at + t.keep_warm
                else j.unwatched_at is not null or (j.required_as_of is not null and j.run_at > v_now)
            end as differs
        from (
            select w.symbol, count(*)::integer as viewers
            from freshness.watches as w
            where w.data_type = p_data_type
            group by w.symbol
        ) as w
        full join (select * from freshness.jobs as j where j.data_type = p_data_type) as j on j.symbol = w.symbol
        join freshness.data_types as t on t.name = p_data_type
    ),

    asked as materialized (
        select k.symbol, k.is_missing, k.differs
        from keys as k
        where
            (k.differs or (k.waits and v_doubtful is null))
            and not exists (
                select from freshness.pulls as p where p.data_type = p_data_type and p.symbol = k.symbol
            )
    )

    select
        array(select a.symbol from asked as a where a.is_missing order by a.symbol),
        array(select a.symbol from asked as a where a.differs and not a.is_missing),
        array(select a.symbol from asked as a where not a.differs)
    into missing, others, v_waiting;

    v_waiting := array(
        select w.symbol
        from unnest(coalesce(v_doubtful, v_waiting)) as w (symbol)
        where not exists (select from freshness.pulls as p where p.data_type = p_data_type and p.symbol = w.symbol)
        except
        select o.symbol from unnest(others) as o (symbol)
    );
    if cardinality(v_waiting) > 0 then
        others := others || array(
            select j.symbol
            from freshness.look(p_data_type, v_waiting) as l
            join freshness.jobs as j on j.data_type = p_data_type and j.symbol = l.symbol
            join freshness.data_types as t on t.name = p_data_type
            where
                l.problem is null and j.run_at > v_now and j.run_at > coalesce(l.refresh_at, v_now)
                -- A measured refresh_ahead counts from the next look that something else calls for.
                and (
                    t.refresh_ahead_is_auto and j.run_at <= j.fresh_until and l.fresh_until >= j.fresh_until
                ) is not true
        );
    end if;
    others := array(select s from unnest(others) as s order by s);
end
$$;

comment on function freshness.differing_keys(text) is
    'Keys of a data type, in order, whose job is not what its watches and stored rows call for. missing: watched, and'
    ' without a job. others: with one that differs.';
-- <<<

-- >>> sql/725_sweep_subscriptions.sql
-- A slice of a sweep's work. What somebody holds in a transaction that stays open must not keep it from the rest:
-- a slice that would wait is halved until what is held stands alone, and that is passed over.

create function freshness.sweep_subscriptions(
    p_rows bigint[],
    p_are_plain boolean,
    out mended integer,
    out passed_over integer
)
language plpgsql
set search_path = pg_temp
set lock_timeout = '20ms'
as $$
declare
    v_middle integer := cardinality(p_rows) / 2;
begin
    mended := case
        when p_are_plain then freshness.watch_plain_subscriptions(p_rows) else freshness.mend_watches(p_rows)
    end;
    passed_over := 0;
exception
    when unique_violation then
        select s.* into mended, passed_over from freshness.sweep_subscriptions(p_rows, false) as s;
    when lock_not_available then
        if v_middle = 0 then
            mended := 0;
            passed_over := 1;
        else
            select sum(s.mended), sum(s.passed_over)
            into mended, passed_over
            from (values (p_rows[:v_middle]), (p_rows[v_middle + 1:])) as half (rows)
            cross join lateral freshness.sweep_subscriptions(half.rows, p_are_plain) as s;
        end if;
    when others or assert_failure then
        insert into freshness.events (kind, message) values ('error', 'subscriptions not read: ' || sqlerrm);
        mended := 0;
        passed_over := cardinality(p_rows);
end
$$;

comment on function freshness.sweep_subscriptions(bigint[], boolean) is
    'mend_watches, or watch_plain_subscriptions, waiting for nobody: how many watches were mended, and how many'
    ' subscriptions passed over.';
-- <<<

-- >>> sql/730_sweep_keys.sql
-- A slice of a sweep's keys.

create function freshness.add_jobs(p_data_type text, p_symbols text[])
returns integer
language plpgsql
set search_path = pg_temp
set enable_seqscan = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_added integer;
begin
    insert into freshness.jobs (
        data_type, symbol, priority, run_at, stored_at, fresh_until, viewers, estimated_size_bytes
    )
    select
        t.name, l.symbol, t.priority, greatest(l.refresh_at, v_now), l.stored_at, l.fresh_until, w.viewers,
        t.estimated_size_bytes
    from freshness.data_types as t
    cross join lateral freshness.look(t.name, p_symbols) as l
    -- Key by key, by their indexes: what the planner takes for few keys can be 100,000, and no join of all with all
    -- would end.
    cross join lateral (
        select count(*)::integer as viewers
        from freshness.watches as w
        where w.data_type = p_data_type and w.symbol = l.symbol
    ) as w
    where
        t.name = p_data_type
        and w.viewers > 0
        and not exists (select from freshness.jobs as j where j.data_type = p_data_type and j.symbol = l.symbol)
    order by l.symbol;
    get diagnostics v_added = row_count;
    if v_added > 0 then
        perform freshness.wake(p_data_type, v_now);
    end if;
    return v_added;
end
$$;

comment on function freshness.add_jobs(text, text[]) is
    'Adds the jobs of watched keys that have none, as reconsider does, for many at once; watches that are over were'
    ' ended before. Fails with unique_violation when somebody adds one of them at this moment.';

create function freshness.sweep_keys(
    p_data_type text,
    p_symbols text[],
    p_are_missing boolean,
    out mended integer,
    out released integer,
    out counted integer,
    out passed_over integer
)
language plpgsql
set search_path = pg_temp
set lock_timeout = '20ms'
as $$
declare
    v_middle integer := cardinality(p_symbols) / 2;
begin
    if p_are_missing then
        mended := freshness.add_jobs(p_data_type, p_symbols);
        released := 0;
        counted := 0;
        passed_over := 0;
    else
        select
            count(*) filter (where r.outcome in ('added', 'moved')), count(*) filter (where r.outcome = 'unwatched'),
            count(*) filter (where r.outcome = 'counted'), count(*) filter (where r.outcome like '%locked')
        into mended, released, counted, passed_over
        from freshness.reconsider(p_data_type, p_symbols) as r;
    end if;
exception
    when unique_violation then
        select s.* into mended, released, counted, passed_over
        from freshness.sweep_keys(p_data_type, p_symbols, false) as s;
    when lock_not_available then
        if v_middle = 0 then
            mended := 0;
            released := 0;
            counted := 0;
            passed_over := 1;
        else
            select sum(s.mended), sum(s.released), sum(s.counted), sum(s.passed_over)
            into mended, released, counted, passed_over
            from (values (p_symbols[:v_middle]), (p_symbols[v_middle + 1:])) as half (symbols)
            cross join lateral freshness.sweep_keys(p_data_type, half.symbols, p_are_missing) as s;
        end if;
    when others or assert_failure then
        insert into freshness.events (kind, data_type, message)
        values ('error', p_data_type, format('keys of %s not looked at: %s', p_data_type, sqlerrm));
        mended := 0;
        released := 0;
        counted := 0;
        passed_over := cardinality(p_symbols);
end
$$;

comment on function freshness.sweep_keys(text, text[], boolean) is
    'add_jobs for keys that have none, else reconsider, waiting for nobody: how many jobs were mended (added or moved),'
    ' released as unwatched, had only their viewers counted, and were passed over.';
-- <<<

-- >>> sql/735_end_watches.sql
create function freshness.end_watches()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_ended integer;
begin
    delete from freshness.watches as w
    where w.ctid = any (array(
        select o.ctid from freshness.watches as o where o.lease_until <= v_now for update skip locked
    ));
    get diagnostics v_ended = row_count;
    return v_ended + freshness.end_subscriptions();
end
$$;

comment on function freshness.end_watches() is
    'Removes leases that have ended and watches whose subscription is gone, and returns their number. Passes over'
    ' watches that somebody holds.';

create function freshness.end_subscriptions()
returns integer
language plpgsql
set search_path = pg_temp
-- All are compared with all, however few the planner takes them for.
set enable_nestloop = off
as $$
declare
    v_ended integer;
begin
    if to_regclass('realtime.subscription') is null then
        delete from freshness.watches as w where w.subscription_row is not null;
    else
        delete from freshness.watches as w
        where w.ctid = any (array(
            select o.ctid
            from freshness.watches as o
            where
                o.subscription_row is not null
                and not exists (
                    select from realtime.subscription as s
                    where s.id = o.subscription_row and s.subscription_id = o.subscription_id
                )
            for update skip locked
        ));
    end if;
    get diagnostics v_ended = row_count;
    return v_ended;
end
$$;

comment on function freshness.end_subscriptions() is
    'Removes watches whose subscription is gone, and returns their number.';
-- <<<

-- >>> sql/740_prune.sql
create function freshness.prune()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_pruned integer;
    v_cron integer := 0;
begin
    delete from freshness.events as e where e.happened_at < clock_timestamp() - interval '7 days';
    get diagnostics v_pruned = row_count;
    -- One in the future was made before the clock was set back, and would be taken for the last one.
    delete from freshness.sweeps as s
    where
        s.started_at < clock_timestamp() - interval '7 days' or s.started_at > clock_timestamp() + interval '1 minute';
    -- What the budgets have stopped counting.
    delete from freshness.spent_days as d where d.day < (clock_timestamp() at time zone 'UTC')::date - 30;
    delete from freshness.workers as w
    where
        w.seen_at < clock_timestamp() - interval '1 hour'
        and not exists (select from freshness.jobs as j where j.worker = w.id and j.state = 'running')
        and w.started_at < clock_timestamp() - interval '7 days'
        -- To one that sleeps, somebody may be handing a job.
        and not exists (select from freshness.sleepers as s where s.worker = w.id);
    perform freshness.forget_lost_listeners();
    begin
        if to_regclass('cron.job_run_details') is not null then
            delete from cron.job_run_details as d
            using cron.job as j
            where
                d.jobid = j.jobid
                and j.jobname = 'check-stale-data-v2'
                and d.end_time < clock_timestamp() - interval '7 days';
            get diagnostics v_cron = row_count;
        end if;
    exception
        when insufficient_privilege or undefined_table or undefined_column then
            raise warning 'freshness: history of pg_cron not pruned: %', sqlerrm;
    end;
    return v_pruned + v_cron;
end
$$;

comment on function freshness.prune() is
    'Removes history older than 7 days: events, sweeps, workers that never left, and pg_cron''s records of our job;'
    ' and the spent calls of days before the last 30. Returns the number of events and records.';
-- <<<

-- >>> sql/745_forget_unregistered.sql
create function freshness.unregistered()
returns text[]
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    -- From one name to the next by the primary keys, not through all rows.
    return array(
        with recursive used as (
            select (select min(j.data_type) from freshness.jobs as j) as name
            union all
            select (select min(j.data_type) from freshness.jobs as j where j.data_type > u.name)
            from used as u where u.name is not null
        ),

        watched as (
            select (select min(w.data_type) from freshness.watches as w) as name
            union all
            select (select min(w.data_type) from freshness.watches as w where w.data_type > d.name)
            from watched as d where d.name is not null
        )

        select k.name
        from (select u.name from used as u union select d.name from watched as d) as k
        where k.name is not null and not exists (select from freshness.data_types as t where t.name = k.name)
    );
end
$$;

comment on function freshness.unregistered() is 'Data types that have jobs or watches, but are not registered.';

create function freshness.forget_unregistered()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_names text[] := freshness.unregistered();
    v_forgotten integer;
begin
    delete from freshness.jobs as j
    where j.ctid = any (array(
        select h.ctid
        from freshness.jobs as h
        where h.data_type = any (v_names)
        for update skip locked
    ));
    get diagnostics v_forgotten = row_count;
    delete from freshness.watches as w
    where w.ctid = any (array(
        select k.ctid
        from freshness.watches as k
        where k.data_type = any (v_names)
        for update skip locked
    ));
    insert into freshness.events (kind, data_type, message)
    select 'error', t.name, 'its data table was dropped: register it again'
    from freshness.data_types as t
    where not exists (select from pg_catalog.pg_class as c where c.oid = t.data_table);
    return v_forgotten;
end
$$;

comment on function freshness.forget_unregistered() is
    'Removes what is left of data types that are not registered, and puts those whose table was dropped on record.'
    ' Returns the number of such jobs.';
-- What the claim does with a due key; here for keys that no worker serves.
create function freshness.drop_unwatched()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_dropped integer;
begin
    delete from freshness.jobs as j
    where j.ctid = any (array(
        select o.ctid
        from freshness.jobs as o
        join freshness.data_types as t on t.name = o.data_type
        where
            o.state <> 'running' and o.unwatched_at + t.keep_warm <= v_now and o.due_at <= v_now
            and o.requested_at is null and o.required_as_of is null
            -- Key by key, by the index: no join, which the planner may make one of all with all.
            and (
                select true from freshness.watches as w where w.data_type = o.data_type and w.symbol = o.symbol limit 1
            ) is null
        for update of o skip locked
    ));
    get diagnostics v_dropped = row_count;
    return v_dropped;
end
$$;

comment on function freshness.drop_unwatched() is
    'Removes the jobs of keys that nobody wants and whose keep_warm is over, and returns their number.';
-- <<<

-- >>> sql/748_sweep_slice.sql
-- One at a time. The lock ends with the transaction, however that ends, so that it never outlives its session, also
-- behind a pooler. A sweep that commits takes it anew; if another one came in between, that one does all the rest.
create function freshness.begin_sweep()
returns boolean
language sql
set search_path = pg_temp
as $$
    select pg_try_advisory_xact_lock(hashtext('freshness.sweep'))
$$;

comment on function freshness.begin_sweep() is
    'Begins a transaction of a sweep: false when another sweep is under way.';

create function freshness.prepare_sweep(p_size integer)
returns freshness.sweeps
language plpgsql
set search_path = pg_temp
set jit = off
set work_mem = '32MB'
set plan_cache_mode = force_custom_plan
as $$
declare
    v_sweep freshness.sweeps;
    v_differing record;
begin
    if not freshness.begin_sweep() then
        return null;
    end if;
    v_sweep.started_at := clock_timestamp();
    for v_turn in 0..freshness.turns_to_fold(p_size) loop
        perform freshness.fold_pulls(p_size);
    end loop;
    v_sweep.watches_ended := freshness.end_watches();
    v_sweep.taken_over := freshness.take_over();
    v_sweep.jobs_mended := freshness.forget_unregistered() + freshness.mend_not_before();
    v_sweep.watches_mended := 0;
    v_sweep.keys_released := freshness.drop_unwatched();
    v_sweep.viewers_counted := 0;
    v_sweep.is_complete := true;

    delete from freshness.sweep_slices;
    v_differing := freshness.differing_subscriptions();
    insert into freshness.sweep_slices (is_plain, subscription_rows)
    select w.is_plain, w.rows[n:n + p_size - 1]
    from (values (true, v_differing.plain), (false, v_differing.others)) as w (is_plain, rows)
    cross join generate_series(1, cardinality(w.rows), p_size) as n
    order by not w.is_plain, n;
    -- Which keys differ shows when all subscriptions have their watches.
    insert into freshness.sweep_slices (data_type) select t.name from freshness.data_types as t order by t.name;
    return v_sweep;
end
$$;

comment on function freshness.prepare_sweep(integer) is
    'Begins a sweep: does what is done at once, and leaves the rest in slices of p_size to freshness.sweep_slice, which'
    ' gets what this returns. Null when another sweep is under way.';

create function freshness.sweep_slice(p_sweep freshness.sweeps, p_size integer)
returns freshness.sweeps
language plpgsql
set search_path = pg_temp
set jit = off
set work_mem = '32MB'
-- How many rows there are changes from slice to slice, and from one sweep of a session to the next.
set plan_cache_mode = force_custom_plan
as $$
declare
    v_sweep freshness.sweeps := p_sweep;
    v_slice freshness.sweep_slices;
    v_differing record;
    v_mended record;
begin
    if not freshness.begin_sweep() then
        return null;
    end if;
    delete from freshness.sweep_slices as s
    where s.id = (select min(o.id) from freshness.sweep_slices as o)
    returning s.* into v_slice;
    if not found then
        return freshness.end_sweep(v_sweep);
    elsif v_slice.data_type is null then
        v_mended := freshness.sweep_subscriptions(v_slice.subscription_rows, v_slice.is_plain);
        v_sweep.watches_mended := v_sweep.watches_mended + v_mended.mended;
    elsif v_slice.symbols is null then
        v_differing := freshness.differing_keys(v_slice.data_type);
        insert into freshness.sweep_slices (data_type, is_plain, symbols)
        select v_slice.data_type, w.is_plain, w.symbols[n:n + p_size - 1]
        from (values (true, v_differing.missing), (false, v_differing.others)) as w (is_plain, symbols)
        cross join generate_series(1, cardinality(w.symbols), p_size) as n
        order by not w.is_plain, n;
        return v_sweep;
    else
        v_mended := freshness.sweep_keys(v_slice.data_type, v_slice.symbols, v_slice.is_plain);
        v_sweep.jobs_mended := v_sweep.jobs_mended + v_mended.mended;
        v_sweep.keys_released := v_sweep.keys_released + v_mended.released;
        v_sweep.viewers_counted := v_sweep.viewers_counted + v_mended.counted;
    end if;
    v_sweep.is_complete := v_sweep.is_complete and v_mended.passed_over = 0;
    return v_sweep;
end
$$;

comment on function freshness.sweep_slice(freshness.sweeps, integer) is
    'Mends the next slice of a sweep and returns the sweep with what was done added; the last call records it, and then'
    ' it has an id. Null when another sweep is under way, which does all the rest.';
-- <<<

-- >>> sql/750_sweep.sql
create function freshness.end_sweep(p_sweep freshness.sweeps)
returns freshness.sweeps
language plpgsql
set search_path = pg_temp
as $$
declare
    v_sweep freshness.sweeps := p_sweep;
begin
    v_sweep.history_pruned := freshness.prune();
    insert into freshness.sweeps as s (
        started_at, duration, watches_ended, keys_released, viewers_counted, history_pruned,
        watches_mended, jobs_mended, taken_over, is_complete
    )
    values (
        v_sweep.started_at, clock_timestamp() - v_sweep.started_at, v_sweep.watches_ended, v_sweep.keys_released,
        v_sweep.viewers_counted, v_sweep.history_pruned, v_sweep.watches_mended, v_sweep.jobs_mended,
        v_sweep.taken_over, v_sweep.is_complete
    )
    returning s.* into v_sweep;
    return v_sweep;
end
$$;

comment on function freshness.end_sweep(freshness.sweeps) is
    'Prunes history, and records what a sweep did; returned with its id.';

-- The net under everything: from any state it brings the tables back to what the triggers and the claim would have
-- made. pg_cron takes each slice in a transaction of its own (freshness.schedule_sweep), so that none locks many rows.
create function freshness.sweep(p_time_limit interval default interval '60 seconds')
returns freshness.sweeps
language plpgsql
set search_path = pg_temp
as $$
declare
    v_size constant integer := 20000;
    v_sweep freshness.sweeps := freshness.prepare_sweep(v_size);
begin
    while v_sweep.started_at is not null and v_sweep.id is null loop
        if clock_timestamp() > v_sweep.started_at + p_time_limit then
            v_sweep.is_complete := false;
            return freshness.end_sweep(v_sweep);
        end if;
        v_sweep := freshness.sweep_slice(v_sweep, v_size);
    end loop;
    return v_sweep;
end
$$;

comment on function freshness.sweep(interval) is
    'Reconciles watches with realtime.subscription, ends leases, gives every watched key the job that it should have,'
    ' hands on the jobs of dead workers, prunes history. Stops after p_time_limit, and waits for no row that somebody'
    ' holds; is_complete says whether it got through. Returns what it did, also kept in freshness.sweeps; null when'
    ' another sweep is under way.';
-- <<<

-- >>> sql/755_sweep_if_due.sql
create function freshness.sweep_if_due(p_interval interval)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    -- One in the future was made before the clock was set back.
    if exists (
        select from freshness.sweeps as s
        where s.started_at between clock_timestamp() - p_interval and clock_timestamp() + interval '1 second'
    ) then
        return false;
    end if;
    return (freshness.sweep()).id is not null;
end
$$;

comment on function freshness.sweep_if_due(interval) is
    'Runs the sweep unless one has run within p_interval: what workers call where pg_cron does not. True when it ran.';
-- <<<

-- >>> sql/760_schedule_sweep.sql
-- pg_cron is there on Supabase but not switched on. Without it any worker runs the sweep.
create function freshness.schedule_sweep()
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    if to_regnamespace('cron') is null then
        if not exists (select from pg_catalog.pg_available_extensions as e where e.name = 'pg_cron') then
            raise notice 'freshness: pg_cron is not available; workers run the sweep';
            return false;
        end if;
        create extension if not exists pg_cron;
    end if;
    -- Each slice in a transaction of its own; everything was compared once, before the first.
    perform cron.schedule(
        'check-stale-data-v2', '*/5 * * * *',
        $cron$
        do $do$
        declare
            v_sweep freshness.sweeps := freshness.prepare_sweep(5000);
        begin
            while v_sweep.started_at is not null and v_sweep.id is null loop
                commit;
                v_sweep := freshness.sweep_slice(v_sweep, 5000);
            end loop;
        end
        $do$
        $cron$
    );
    return true;
exception
    when others then
        raise notice 'freshness: pg_cron is not used here (%); workers run the sweep', sqlerrm;
        return false;
end
$$;

comment on function freshness.schedule_sweep() is
    'Has pg_cron run the sweep every 5 minutes, as job check-stale-data-v2. False when pg_cron cannot be used here.';

select freshness.schedule_sweep();
-- <<<

-- >>> sql/800_key_status.sql
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
-- <<<

-- >>> sql/805_get_or_queue.sql
create function freshness.get_or_queue(p_data_type text, p_symbol text)
returns jsonb
language sql
volatile
set search_path = pg_temp
return freshness.answer_for_caller(freshness.queue_for_caller(p_data_type, p_symbol));

comment on function freshness.get_or_queue(text, text) is
    'The stored rows of a key as the caller may see them (newest first, at most 1,000), their status (fresh,'
    ' refreshing, stale, missing, failed), age in seconds and fresh_until; queues a refresh if it is due, and says'
    ' whether this call did. FR001: data type not registered; FR008: no symbol of it; 42501: the caller may not select'
    ' from its table, and nothing is queued.';

create function public.get_or_queue(p_data_type text, p_symbol text)
returns jsonb
language sql
volatile
set search_path = pg_temp
return freshness.get_or_queue(p_data_type, p_symbol);

comment on function public.get_or_queue(text, text) is
    'For signed-in users: the stored rows of a key as the caller may see them, their status and age in seconds; a'
    ' refresh is queued if it is due.';
-- <<<

-- >>> sql/808_for_server_code.sql
-- What the documents' functions do, with our rights. It is in our schema, since a dump that is restored leaves all
-- functions in public open to browsers: so are Supabase's defaults of that schema, and no dump takes them back.

create function freshness.refresh_for_server(
    p_symbol text, p_data_type text, p_priority integer, p_estimated_size_bytes bigint
)
returns boolean
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    if exists (
        select from freshness.canonical_symbols(p_data_type, array[p_symbol]) as c
        join freshness.jobs as j on j.data_type = p_data_type and j.symbol = c.symbol and j.state = 'running'
    ) then
        return false;
    end if;
    return exists (
        select from freshness.request(p_data_type, array[p_symbol], true, p_priority, p_estimated_size_bytes)
    );
end
$$;

comment on function freshness.refresh_for_server(text, text, integer, bigint) is
    'Part of queue_refresh_if_not_exists_v2, with our rights.';

create function freshness.request_for_server(p_symbol text, p_data_types text[], p_priority integer)
returns integer
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    return (
        select count(r.symbol)
        from unnest(p_data_types) as k (data_type)
        join freshness.data_types as t on t.name = k.data_type
        cross join lateral freshness.request(t.name, array[p_symbol], false, p_priority) as r
    );
end
$$;

comment on function freshness.request_for_server(text, text[], integer) is
    'Part of check_and_queue_stale_batch_v2, with our rights.';

create function freshness.sweep_for_server()
returns integer
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    return (select coalesce(s.mended, 0) from freshness.sweep() as s);
end
$$;

comment on function freshness.sweep_for_server() is
    'Part of check_and_queue_stale_data_from_presence_v2, with our rights.';

create function freshness.subscriptions_for_server()
returns table (symbol text, data_type text, subscriptions bigint)
language plpgsql
stable
security definer
set search_path = pg_temp
as $$
#variable_conflict use_column
begin
    if to_regclass('realtime.subscription') is null then
        return;
    end if;
    return query
    select k.symbol, k.data_type, count(distinct k.subscription_row)
    from freshness.subscribed_keys(array(select s.id from realtime.subscription as s)) as k
    where k.symbol is not null
    group by k.symbol, k.data_type;
end
$$;

comment on function freshness.subscriptions_for_server() is
    'Part of get_active_subscriptions_from_realtime, with our rights.';
-- <<<

-- >>> sql/810_documents.sql
-- The names and signatures that the design documents promise, thin over schema freshness.

create function public.is_data_stale_v2(p_timestamp timestamptz, p_ttl_minutes integer)
returns boolean
language sql
stable
set search_path = pg_temp
as $$
    select coalesce(p_timestamp + make_interval(mins => p_ttl_minutes) <= clock_timestamp(), true)
$$;

comment on function public.is_data_stale_v2(timestamptz, integer) is
    'Whether data with this timestamp and a time-to-live in minutes is stale now. Unknown times are stale.';

create function public.queue_refresh_if_not_exists_v2(
    p_symbol text,
    p_data_type text,
    p_priority integer default 0,
    p_estimated_size_bytes bigint default null
)
returns boolean
language sql
set search_path = pg_temp
return freshness.refresh_for_server(p_symbol, p_data_type, p_priority, p_estimated_size_bytes);

comment on function public.queue_refresh_if_not_exists_v2(text, text, integer, bigint) is
    'Queues a refresh of one key, fresh or not, unless one is running. True when it is queued. FR001: unknown data'
    ' type.';

create function public.check_and_queue_stale_batch_v2(p_symbol text, p_data_types text[], p_priority integer default 1)
returns integer
language sql
set search_path = pg_temp
return freshness.request_for_server(p_symbol, p_data_types, p_priority);

comment on function public.check_and_queue_stale_batch_v2(text, text[], integer) is
    'Queues those data types of a symbol whose data is stale or missing; returns how many jobs were made or moved.'
    ' Unknown data types are passed over.';

create function public.check_and_queue_stale_data_from_presence_v2()
returns integer
language sql
set search_path = pg_temp
return freshness.sweep_for_server();

comment on function public.check_and_queue_stale_data_from_presence_v2() is
    'The sweep, by the documents'' name: returns the number of watches and jobs that it had to mend.';

create function public.get_active_subscriptions_from_realtime()
returns table (symbol text, data_type text, subscriptions bigint)
language sql
stable
set search_path = pg_temp
as $$
    select s.symbol, s.data_type, s.subscriptions from freshness.subscriptions_for_server() as s
$$;

comment on function public.get_active_subscriptions_from_realtime() is
    'Keys that Realtime subscriptions watch now, with the number of subscriptions. Empty when Realtime is off.';
-- <<<

-- >>> sql/815_data_type_registry.sql
-- The registry under the name and with the columns that the design documents promise.
do $$
begin
    if to_regclass('public.data_type_registry_v2') is not null then
        raise warning 'public.data_type_registry_v2 exists and is left alone'
            using hint = 'The registry is freshness.data_types; drop or rename yours to get the view of that name.';
        return;
    end if;
    create view public.data_type_registry_v2 with (security_invoker = true) as
    select
        t.name as data_type,
        t.data_table::text as table_name,
        coalesce(t.staleness_function, 'public.is_data_stale_v2') as staleness_function,
        t.timestamp_column,
        ceil(extract(epoch from t.ttl) / 60)::integer as default_ttl_minutes,
        t.estimated_size_bytes as estimated_data_size_bytes
    from freshness.data_types as t;
    comment on view public.data_type_registry_v2 is 'The registry of data types with the documents'' columns.';
    revoke all on public.data_type_registry_v2 from public;
end
$$;
-- <<<

-- >>> sql/820_data_type_status.sql
create view freshness.data_type_status with (security_invoker = true) as
select
    t.name as data_type,
    count(k.symbol)::integer as keys,
    (count(*) filter (where k.wanted))::integer as wanted,
    coalesce(sum(k.viewers), 0)::integer as viewers,
    (count(*) filter (where k.status = 'fresh'))::integer as fresh,
    (count(*) filter (where k.status = 'refreshing'))::integer as refreshing,
    (count(*) filter (where k.status = 'stale'))::integer as stale,
    (count(*) filter (where k.status = 'missing'))::integer as missing,
    (count(*) filter (where k.status = 'failed'))::integer as failed,
    count(k.lateness)::integer as late,
    extract(epoch from max(k.lateness))::double precision as worst_lateness
from freshness.data_types as t
left join freshness.key_status as k on t.name = k.data_type
group by t.name;

comment on view freshness.data_type_status is
    'Each registered data type with the number of its keys: in all, wanted, by status, and late; viewers is their sum'
    ' over the keys as last counted, worst_lateness is in seconds.';
-- <<<

-- >>> sql/822_source_status.sql
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
-- <<<

-- >>> sql/825_freshness_samples.sql
-- How many keys were in time, kept with each sweep (every five minutes): the share over an hour or a day needs no
-- history of each key.
create table freshness.freshness_samples (
    taken_at timestamptz primary key default clock_timestamp(),
    wanted integer not null,
    late integer not null
);

comment on table freshness.freshness_samples is
    'At each sweep: the wanted keys, and those of them whose data was stale or missing. Kept for 7 days.';

create function freshness.take_sample()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
begin
    insert into freshness.freshness_samples (wanted, late)
    select count(*), count(k.lateness) from freshness.key_status as k where k.wanted
    on conflict do nothing;
    delete from freshness.freshness_samples as s where s.taken_at < clock_timestamp() - interval '7 days';
    return null;
end
$$;

comment on function freshness.take_sample() is 'Trigger: keeps a sample of the keys'' freshness with each sweep.';

create trigger take_sample after insert on freshness.sweeps
for each row execute function freshness.take_sample();
-- <<<

-- >>> sql/830_slo.sql
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
-- <<<

-- >>> sql/835_next_in_words.sql
create function freshness.moment_in_words(p_moment timestamptz)
returns text
language sql
stable
set search_path = pg_temp
as $$
    select case
        when p_moment is null then 'an unknown time'
        when not isfinite(p_moment) then 'never'
        when p_moment::date = clock_timestamp()::date then to_char(p_moment, 'HH24:MI:SS')
        else to_char(p_moment, 'YYYY-MM-DD HH24:MI:SS')
    end
$$;

comment on function freshness.moment_in_words(timestamptz) is
    'A moment for people, in the session''s time zone; the date only when it is not today.';

create function freshness.next_in_words(
    p_type freshness.data_types, p_job freshness.jobs, p_viewers integer, p_refresh_at timestamptz
)
returns text
language sql
stable
set search_path = pg_temp
as $$
    select case
        when p_job.symbol is null and w.why is null then
            'nobody watches it or has asked for it, so nothing will be fetched'
        when p_job.symbol is null then format('has no job although %s: the next look or sweep gives it one', w.why)
        when p_job.state = 'running' then
            format('is being refreshed since %s by worker %s', freshness.moment_in_words(p_job.started_at), (
                select coalesce(max(k.name), 'unknown') from freshness.workers as k where k.id = p_job.worker
            ))
        when p_job.not_before > clock_timestamp() and p_job.state = 'failed' then
            format(
                'is set aside until %s after %s: %s; freshness.retry(%L, %L) releases it',
                freshness.moment_in_words(p_job.due_at), f.failures, p_job.last_error, p_job.data_type, p_job.symbol
            )
        when p_job.not_before > clock_timestamp() and p_job.attempts > 0 then
            format(
                'will be tried again at %s after %s: %s',
                freshness.moment_in_words(p_job.due_at), f.failures, p_job.last_error
            )
        when p_job.not_before > clock_timestamp() then
            format('is held back until %s: %s', freshness.moment_in_words(p_job.due_at), coalesce(
                p_job.last_error, 'its source is closed'
            ))
        when w.why is null then
            format('nobody watches it: it is kept warm until %s without a fetch, and then forgotten',
                freshness.moment_in_words(coalesce(p_job.unwatched_at, p_job.due_at) + p_type.keep_warm))
        when m.refresh_at > clock_timestamp() then
            format('will be refreshed at %s, because %s', freshness.moment_in_words(m.refresh_at), w.why)
        when not freshness.somebody_works() then
            format(
                'is due since %s, because %s, but no worker is there: start one with freshness run',
                freshness.moment_in_words(m.refresh_at), w.why
            )
        else
            format(
                'is due since %s, because %s: the next free worker fetches it',
                freshness.moment_in_words(m.refresh_at), w.why
            )
    end
    from (
        select case
            when p_viewers > 0 then
                case p_viewers when 1 then '1 viewer watches it' else p_viewers || ' viewers watch it' end
            when p_job.requested_at is not null then 'somebody asked for it'
        end as why
    ) as w
    cross join (
        select case p_job.attempts when 0 then 'an error' when 1 then '1 failure' else p_job.attempts || ' failures' end
            as failures
    ) as f
    -- A claim that finds it fresher than its job says moves it to there.
    cross join (
        select case when p_job.required_as_of is null then greatest(p_job.due_at, p_refresh_at) else p_job.due_at end
            as refresh_at
    ) as m
$$;

comment on function freshness.next_in_words(freshness.data_types, freshness.jobs, integer, timestamptz) is
    'Part of explain: what will happen to a key, when, and why.';
-- <<<

-- >>> sql/840_explain.sql
create function freshness.explain(p_data_type text, p_symbol text)
returns table (data_type text, symbol text, status text, explanation text)
language plpgsql
stable
rows 1
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_type freshness.data_types;
    v_job freshness.jobs;
    v_symbol text := (select c.symbol from freshness.canonical_symbols(p_data_type, array[p_symbol]) as c);
    v_looked record;
    v_viewers integer;
    v_subscribed bigint[];
begin
    select * into v_type from freshness.data_types as t where t.name = p_data_type;
    if v_type.name is null then
        return query select p_data_type, p_symbol, 'unknown_data_type',
            'is not registered: freshness.register_data_type adds its data type';
        return;
    elsif v_symbol is null then
        return query select p_data_type, p_symbol, case when a.is_there then 'invalid_symbol' else 'failed' end,
            case
                when a.is_there then format(
                    'is no symbol of %s: it does not fit column %s of %s, or has not 1 to 200 characters',
                    p_data_type, v_type.symbol_column, v_type.data_table
                )
                else format(
                    'the table of %s or its column %s is gone: put it right and register the data type again',
                    p_data_type, v_type.symbol_column
                )
            end
        from (
            select exists (
                select from pg_catalog.pg_attribute as c
                where c.attrelid = v_type.data_table and c.attname = v_type.symbol_column and not c.attisdropped
            ) as is_there
        ) as a;
        return;
    end if;

    select * into v_looked from freshness.look(p_data_type, array[v_symbol]) as l;
    select * into v_job from freshness.jobs as j where j.data_type = p_data_type and j.symbol = v_symbol;
    v_viewers := coalesce((select w.viewers from freshness.live_watches(p_data_type, array[v_symbol]) as w), 0);
    v_subscribed := array(select p.subscription_row from freshness.pulls as p where p.subscription_row is not null);
    if cardinality(v_subscribed) > 0 and to_regclass('realtime.subscription') is not null then
        -- Subscribers who are not counted yet.
        v_viewers := v_viewers + (
            select count(*)
            from freshness.subscribed_keys(v_subscribed) as k
            where
                k.data_type = p_data_type and k.symbol = v_symbol
                and not exists (
                    select from freshness.watches as w
                    where w.data_type = k.data_type and w.symbol = k.symbol and w.subscription_row = k.subscription_row
                )
        );
    end if;

    return query
    select
        p_data_type,
        v_symbol,
        case
            when v_job.state = 'running' then 'refreshing'
            when v_job.state = 'failed' or v_looked.problem is not null then 'failed'
            when v_looked.fresh_until > clock_timestamp() then 'fresh'
            when v_looked.present then 'stale'
            else 'missing'
        end,
        case
            when v_looked.problem is not null then 'cannot be looked at: ' || v_looked.problem
            when v_looked.fresh_until = 'infinity' then 'is fresh for ever'
            when v_looked.fresh_until > clock_timestamp() then
                'is fresh until ' || freshness.moment_in_words(v_looked.fresh_until)
            when v_looked.fresh_until is not null and v_looked.present then
                'went stale at ' || freshness.moment_in_words(v_looked.fresh_until)
            when v_looked.present then 'has rows without a usable timestamp'
            else 'has no rows'
        end
        || '; ' || freshness.next_in_words(v_type, v_job, v_viewers, v_looked.refresh_at);
end
$$;

comment on function freshness.explain(text, text) is
    'One row that says in words what will happen to a key, when, and why. status: fresh, refreshing, stale, missing,'
    ' failed, unknown_data_type or invalid_symbol. Times are in the session''s time zone.';
-- <<<

-- >>> sql/843_overdue.sql
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
-- <<<

-- >>> sql/845_findings.sql
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
-- <<<

-- >>> sql/900_grants.sql
-- Read as the access policy, with 905_worker_role.sql: no other file grants. Browsers reach two functions, and server
-- code with the secret key the documents' functions too. supabase/tests/900_grants.sql holds it as a matrix.
revoke all on all tables in schema freshness from public, anon, authenticated, service_role;
revoke all on all sequences in schema freshness from public, anon, authenticated, service_role;
revoke all on all routines in schema freshness from public, anon, authenticated, service_role;

alter table freshness.data_types enable row level security;
alter table freshness.jobs enable row level security;
alter table freshness.watches enable row level security;
alter table freshness.pulls enable row level security;
alter table freshness.workers enable row level security;
alter table freshness.sleepers enable row level security;
alter table freshness.listeners enable row level security;
alter table freshness.sources enable row level security;
alter table freshness.spent_calls enable row level security;
alter table freshness.spent_days enable row level security;
alter table freshness.events enable row level security;
alter table freshness.sweeps enable row level security;
alter table freshness.sweep_slices enable row level security;
alter table freshness.freshness_samples enable row level security;
alter table freshness.card_limits enable row level security;

revoke all on function public.is_data_stale_v2(timestamptz, integer) from public, anon, authenticated;
revoke all on function public.queue_refresh_if_not_exists_v2(text, text, integer, bigint)
from public, anon, authenticated;
revoke all on function public.check_and_queue_stale_batch_v2(text, text[], integer) from public, anon, authenticated;
revoke all on function public.check_and_queue_stale_data_from_presence_v2() from public, anon, authenticated;
revoke all on function public.get_active_subscriptions_from_realtime() from public, anon, authenticated;
revoke all on function public.check_staleness_on_update() from public, anon, authenticated, service_role;
revoke all on function public.on_realtime_subscription_insert() from public, anon, authenticated, service_role;
revoke all on function public.get_or_queue(text, text) from public, anon, authenticated;
revoke all on function public.on_card_add(text, text[], jsonb) from public, anon, authenticated;

grant execute on function public.is_data_stale_v2(timestamptz, integer) to service_role;
grant execute on function public.queue_refresh_if_not_exists_v2(text, text, integer, bigint) to service_role;
grant execute on function public.check_and_queue_stale_batch_v2(text, text[], integer) to service_role;
grant execute on function public.check_and_queue_stale_data_from_presence_v2() to service_role;
grant execute on function public.get_active_subscriptions_from_realtime() to service_role;
grant execute on function freshness.refresh_for_server(text, text, integer, bigint) to service_role;
grant execute on function freshness.request_for_server(text, text[], integer) to service_role;
grant execute on function freshness.sweep_for_server() to service_role;
grant execute on function freshness.subscriptions_for_server() to service_role;

-- Signed-in users may ask for the keys of tables that they may read. They call the first by name; it calls the others,
-- which nobody can name without usage on the schema.
grant execute on function public.get_or_queue(text, text) to authenticated, service_role;
grant execute on function freshness.get_or_queue(text, text) to authenticated, service_role;
grant execute on function freshness.queue_for_caller(text, text) to authenticated, service_role;
grant execute on function freshness.answer_for_caller(freshness.queued_key) to authenticated, service_role;

-- Pages of signed-in users say what they show; it answers for the tables that the caller may read.
grant execute on function public.on_card_add(text, text[], jsonb) to authenticated, service_role;

-- Server code with the secret key may read the registry and the state of keys, and nothing else.
grant usage on schema freshness to service_role;
grant select on freshness.data_types, freshness.jobs, freshness.key_status to service_role;

-- A project may have a table of that name already, with grants of its own.
do $$
begin
    if exists (
        select from pg_catalog.pg_views as v
        where
            v.schemaname = 'public' and v.viewname = 'data_type_registry_v2'
            and v.definition like '%freshness.data_types%'
    ) then
        revoke all on public.data_type_registry_v2 from public, anon, authenticated, service_role;
        grant select on public.data_type_registry_v2 to service_role;
    end if;
end
$$;
-- <<<

-- >>> sql/905_worker_role.sql
-- The least that a worker and the endpoint need. Nobody logs in as this role: create one that does, with a password of
-- its own, in it. Roles belong to the cluster, not to the database: another database may have made it, or be at it.
do $$
begin
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'freshness_worker') then
        create role freshness_worker nologin;
    end if;
exception
    when duplicate_object or unique_violation then
        null;
end
$$;

-- What workers and the endpoint call runs with the owner's rights: so the role needs none on any table, neither ours
-- nor those that the data goes to, and row level security of data tables does not stand in a refresh's way. It stores
-- rows only by ending a refresh whose fence it holds.
do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select f.oid
        from pg_catalog.pg_proc as f
        where
            f.pronamespace = 'freshness'::regnamespace
            and f.proname in (
                'announce_worker', 'heartbeat', 'dismiss_worker', 'claim', 'turn', 'finish', 'fail', 'next_moment',
                'settle', 'hand_on', 'disarm', 'sweep_if_due', 'request', 'watch', 'unwatch', 'add_cards', 'retry',
                'explain', 'renew_worker', 'key_states', 'wait_for', 'stop_listening', 'forget_lost_listeners',
                'open_streams', 'follow_keys', 'look_at_streams', 'renew_streams', 'close_streams', 'tell_lines',
                'stream_figures', 'hand_back', 'taken_up'
            )
    loop
        execute format('alter function %s security definer', v_function);
        execute format('revoke all on function %s from public', v_function);
        execute format('grant execute on function %s to freshness_worker', v_function);
    end loop;
end
$$;
grant usage on schema freshness to freshness_worker;

-- The figures of status and metrics are views, read with the reader's rights; who watches what is not among them.
do $$
declare
    v_table text;
begin
    foreach v_table in array array[
        'data_types', 'jobs', 'events', 'sweeps', 'workers', 'sources', 'spent_calls', 'spent_days',
        'freshness_samples', 'pulls', 'sleepers'
    ] loop
        execute format(
            'create policy worker_reads on freshness.%I for select to freshness_worker using (true)', v_table
        );
        execute format('grant select on freshness.%I to freshness_worker', v_table);
    end loop;
end
$$;
grant select on freshness.key_status, freshness.data_type_status, freshness.source_status, freshness.slo,
freshness.overdue, freshness.findings to freshness_worker;
-- What these views and a worker's look call, with the reader's rights too.
grant execute on function freshness.seconds_until(timestamptz) to freshness_worker;
grant execute on function freshness.somebody_works() to freshness_worker;
grant execute on function freshness.moment_in_words(timestamptz) to freshness_worker;
-- <<<
