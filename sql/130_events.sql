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
