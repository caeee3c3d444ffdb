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
