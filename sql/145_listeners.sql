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
