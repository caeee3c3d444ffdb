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
