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
