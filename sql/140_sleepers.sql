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
