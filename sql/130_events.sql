-- What happened, append-only and pruned: feeds the history, the success rate and the streams.
create table freshness.events (
    id bigint generated always as identity primary key,
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
    bytes bigint,
    message text,
    is_measured boolean
);

create index events_happened_at on freshness.events using brin (happened_at) with (pages_per_range = 32);

comment on table freshness.events is
    'History of refreshes and of what could not be done. Pruned by the sweep after 7 days.';
comment on column freshness.events.kind is
    'refreshing: a fetch starts. fresh | unchanged | superseded | missing | stale | failed | retry_after: how it ended'
    ' (freshness.finish, freshness.fail). taken_over | handed_back: its worker died or stopped. ignored: a subscription'
    ' that names no key. error: something that needs a look.';
comment on column freshness.events.duration is
    'From the start of the fetch to its end, by the database''s clock; of refreshing: from when its job was due.';
comment on column freshness.events.bytes is 'Size of the source''s answers as they came over the wire; null: unknown.';
comment on column freshness.events.is_measured is
    'Whether its duration counts for refresh_ahead auto; null: not, as for data types that have none.';
comment on column freshness.events.message is 'The reason, in words; never a claim, a token or a row''s content.';
