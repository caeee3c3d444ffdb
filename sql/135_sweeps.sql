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
