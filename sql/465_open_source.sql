-- The budget side of a claim: opened before it chooses, charged with what it chose. The row of the source stays locked
-- until the claim commits.
create function freshness.open_source(p_source text)
returns table (calls integer, bytes bigint)
language plpgsql
rows 1
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_source freshness.sources;
    v_used freshness.used_calls;
begin
    select * into v_source from freshness.sources as s where s.name = p_source for no key update;
    if not found then
        return query select null::integer, null::bigint;
        return;
    end if;
    v_used := freshness.used_calls(p_source);
    if v_used.is_untidy then
        perform freshness.tidy_spent_calls(p_source, v_used);
        v_used := freshness.used_calls(p_source);
    end if;
    return query select a.calls, a.bytes from freshness.allowance(v_source, v_used) as a;
end
$$;

comment on function freshness.open_source(text) is
    'Locks a source and returns the calls and bytes that may be claimed now; null: no limit.';

create function freshness.open_sources(p_data_types text[], p_lead interval)
returns jsonb
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
-- A plan that expects many due jobs would look for one in the table, past all that are not.
set enable_seqscan = off
as $$
declare
    v_horizon timestamptz := clock_timestamp() + p_lead;
begin
    if not exists (
        select from freshness.data_types as t where t.name = any (p_data_types) and t.source is not null
    ) then
        return '{}'::jsonb;
    end if;
    return (
        select coalesce(jsonb_object_agg(o.name, to_jsonb(a)), '{}')
        from (
            -- In one order for all, and only those that something waits for.
            select distinct s.name
            from freshness.data_types as t
            join freshness.sources as s on s.name = t.source
            cross join generate_series(9, 0, -1) as class (priority)
            cross join lateral (
                select from freshness.jobs as j
                where
                    j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
                    and j.due_at <= v_horizon
                -- In order, or any plan reads all jobs to find that none is due.
                order by j.due_at
                limit 1
            ) as d
            where t.name = any (p_data_types)
            order by s.name
        ) as o
        cross join lateral freshness.open_source(o.name) as a
    );
end
$$;

comment on function freshness.open_sources(text[], interval) is
    'Opens the sources that due jobs of these data types need: {"name": {"calls": 5, "bytes": null}}.';

create function freshness.charge_sources(p_worker bigint, p_since timestamptz, p_sources text[], p_short text[])
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    update freshness.sources as s
    set
        tokens = freshness.tokens(s, v_now) - c.calls,
        tokens_at = v_now,
        short_since = case when s.name = any (p_short) then coalesce(s.short_since, v_now) end,
        opens_at = null
    from (
        select t.source, coalesce(sum(j.calls), 0) as calls
        from freshness.data_types as t
        left join freshness.jobs as j
            on j.data_type = t.name and j.state = 'running' and j.worker = p_worker and j.started_at >= p_since
        where t.source = any (p_sources)
        group by t.source
    ) as c
    where s.name = c.source and (c.calls > 0 or s.short_since is not null or s.name = any (p_short));

    update freshness.sources as s
    -- Something may be allowed, but not as much as the next job costs: soon again, unless it is bytes that are short.
    set opens_at = (
        select
            coalesce(
                a.opens_at,
                v_now + case
                    when a.calls < (select max(t.calls_per_refresh) from freshness.data_types as t where t.source = s.name)
                        then interval '250 milliseconds'
                    else interval '1 minute'
                end
            )
        from freshness.allowance(s) as a
    )
    where s.name = any (p_short);
end
$$;

comment on function freshness.charge_sources(bigint, timestamptz, text[], text[]) is
    'Takes what a worker has claimed since p_since from the sources'' even pace, and writes down which of them due jobs'
    ' have to wait for, and until when.';
