-- A clock that was set back makes what is held back wait that much longer. When a refresh fails, run_at is that moment
-- and not_before is after it: so a run_at that lies ahead says by how much the clock has changed.
create function freshness.mend_not_before()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_mended integer;
begin
    update freshness.jobs as j
    set
        -- A source may ask for a week; nothing else holds longer than the data type's own times.
        not_before = least(
            case when isfinite(j.not_before) and j.run_at > v_now then v_now + (j.not_before - j.run_at) end,
            case when isfinite(j.not_before) and j.run_at <= v_now then j.not_before end,
            (
                select v_now + greatest(t.ttl, t.backoff_longest, interval '7 days') + interval '1 minute'
                from freshness.data_types as t
                where t.name = j.data_type
            )
        ),
        run_at = least(j.run_at, v_now)
    where j.ctid = any (array(
        select h.ctid
        from freshness.jobs as h
        join freshness.data_types as t on t.name = h.data_type
        where
            h.state <> 'running'
            and h.not_before > v_now
            and (
                h.run_at > v_now + interval '1 second'
                or h.not_before > v_now + greatest(t.ttl, t.backoff_longest, interval '7 days') + interval '1 minute'
            )
        for update of h skip locked
    ));
    get diagnostics v_mended = row_count;
    return v_mended;
end
$$;

comment on function freshness.mend_not_before() is
    'Brings back jobs that are held for longer than they were meant to be, since the clock was set back, and returns'
    ' their number.';
