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
