create table freshness.sweeps (
    id bigint generated always as identity primary key,
    started_at timestamptz not null default clock_timestamp(),
    duration interval not null,
    watches_ended integer not null,
    watches_mended integer not null,
    jobs_mended integer not null,
    taken_over integer not null
);

comment on table freshness.sweeps is
    'What each run of the sweep did. Ended watches are housekeeping; what is mended had been missed by the triggers.';
