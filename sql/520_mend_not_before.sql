-- A clock that was set back makes what is held back wait that much longer. When a refresh fails, run_at is that moment
-- and not_before is after it: so a run_at that lies ahead says by how much the clock has changed.
create function freshness.mend_not_before()
returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_mended integer;
begin
    with held as materialized (
        select
            j.data_type, j.symbol,
            -- A source may ask for a week; nothing else holds longer than the data type's own times.
            least(
                case when isfinite(j.not_before) and j.run_at > v_now then v_now + (j.not_before - j.run_at) end,
                case when isfinite(j.not_before) and j.run_at <= v_now then j.not_before end,
                v_now + greatest(t.ttl, t.backoff_longest, interval '7 days') + interval '1 minute'
            ) as not_before
        from freshness.jobs as j
        join freshness.data_types as t on t.name = j.data_type
        where
            j.state <> 'running'
            and j.not_before > v_now
            and (
                j.run_at > v_now + interval '1 second'
                or j.not_before > v_now + greatest(t.ttl, t.backoff_longest, interval '7 days') + interval '1 minute'
            )
        for update of j skip locked
    )

    update freshness.jobs as j
    set not_before = h.not_before, run_at = least(j.run_at, v_now)
    from held as h
    where j.data_type = h.data_type and j.symbol = h.symbol;
    get diagnostics v_mended = row_count;
    return v_mended;
end
$$;

comment on function freshness.mend_not_before() is
    'Brings back jobs that are held for longer than they were meant to be, since the clock was set back, and returns'
    ' their number.';
