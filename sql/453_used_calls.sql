-- What a source has used of its budget: the calls that run, and those that ended lately.
create type freshness.used_calls as (
    calls bigint, bytes numeric, recent bigint, spent numeric, oldest timestamptz, newest timestamptz, is_untidy boolean
);

comment on type freshness.used_calls is
    'Of a source: calls and bytes that run, recent calls and spent bytes of those that ended, from when to when, and'
    ' whether freshness.tidy_spent_calls has something to do.';

create function freshness.used_calls(p_source text)
returns freshness.used_calls
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
-- A plan made while there are few would read all of them.
set enable_seqscan = off
set jit = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_used freshness.used_calls;
begin
    -- One statement, one snapshot: a call that ends at this moment is either running or spent.
    select
        r.calls, r.bytes, s.recent, s.spent, s.oldest, s.newest,
        s.rows > 100 or s.oldest < v_now - interval '90 seconds' or s.newest > v_now + interval '1 second'
    into v_used
    from (
        select coalesce(sum(j.calls), 0) as calls, coalesce(sum(j.estimated_size_bytes), 0) as bytes
        from freshness.jobs as j
        where
            j.state = 'running' and j.calls > 0
            and j.data_type = any (array(select t.name from freshness.data_types as t where t.source = p_source))
    ) as r
    cross join (
        select
            coalesce(sum(c.calls) filter (where c.spent_at > v_now - interval '60 seconds'), 0) as recent,
            coalesce(sum(c.bytes), 0) as spent, min(c.spent_at) as oldest, max(c.spent_at) as newest, count(*) as rows
        from freshness.spent_calls as c
        where c.source = p_source
    ) as s;
    return v_used;
end
$$;

comment on function freshness.used_calls(text) is
    'What a source has to count at this moment; nothing is missed while its row is locked.';
