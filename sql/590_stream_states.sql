-- What streams say of keys. A state's version orders the states of one key: whatever changes a key's job holds it
-- locked, and takes the number of its event meanwhile. So a number that is taken with the job locked lies between those
-- of the changes before and of the changes after: no version goes back, in any process, also after a restart.
create function freshness.stream_status(
    p_job freshness.jobs, p_present boolean, p_fresh_until timestamptz, p_now timestamptz
)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return case
        when p_job.state = 'running' then 'refreshing'
        when p_fresh_until > p_now and p_job.required_as_of is null then
            case when p_present then 'fresh' else 'missing' end
        when p_job.state = 'failed' then 'failed'
        -- Not what waits for its market to open.
        when p_job.not_before > p_now and (p_job.attempts > 0 or p_job.last_error is not null) then 'failed'
        else 'queued'
    end;
end
$$;

comment on function freshness.stream_status(freshness.jobs, boolean, timestamptz, timestamptz) is
    'The status that streams say: refreshing, fresh, missing (the source has no such rows), failed (held back), or'
    ' queued.';

create function freshness.stream_states(p_data_types text[], p_symbols text[])
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
set jit = off
set lock_timeout = '100ms'
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
    v_type record;
begin
    for v_type in
        select k.data_type, array_agg(distinct k.symbol) as symbols
        from unnest(p_data_types, p_symbols) as k (data_type, symbol)
        join freshness.data_types as t on t.name = k.data_type
        group by k.data_type
    loop
        begin
            return query
            select
                v_type.data_type, l.symbol, freshness.stream_status(j.job, l.present, l.fresh_until, v_now),
                case when isfinite(l.fresh_until) then l.fresh_until end,
                case when isfinite((j.job).due_at) then (j.job).due_at end
            from freshness.look(v_type.data_type, v_type.symbols) as l
            left join lateral (
                select o as job from freshness.jobs as o where o.data_type = v_type.data_type and o.symbol = l.symbol limit 1
            ) as j on true;
        exception
            -- Somebody alters the table. One question serves all streams: it says what the jobs know, and waits not.
            when lock_not_available then
                return query
                select
                    v_type.data_type, s.symbol, freshness.stream_status(j, true, j.fresh_until, v_now),
                    case when isfinite(j.fresh_until) then j.fresh_until end,
                    case when isfinite(j.due_at) then j.due_at end
                from unnest(v_type.symbols) as s (symbol)
                left join freshness.jobs as j on j.data_type = v_type.data_type and j.symbol = s.symbol;
        end;
    end loop;
end
$$;

comment on function freshness.stream_states(text[], text[]) is
    'The states of keys (canonical symbols) as streams say them, each key once, without locking anything.';

create function freshness.hold_jobs(p_data_types text[], p_symbols text[])
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    -- In one order for all.
    perform from freshness.jobs as j
    where (j.data_type, j.symbol) in (select k.* from unnest(p_data_types, p_symbols) as k (data_type, symbol))
    order by j.data_type, j.symbol
    for no key update;
end
$$;

comment on function freshness.hold_jobs(text[], text[]) is
    'Locks the jobs of keys (canonical symbols) until the transaction ends: nothing becomes of them meanwhile.';

create function freshness.follow_keys(p_data_types text[], p_symbols text[], p_backend integer)
returns table (
    data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz, version bigint
)
language plpgsql
rows 10
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_version bigint;
begin
    perform freshness.hold_jobs(p_data_types, p_symbols);
    perform freshness.listen_for(k.data_type, array_agg(k.symbol), p_backend, true)
    from unnest(p_data_types, p_symbols) as k (data_type, symbol)
    where p_backend is not null
    group by k.data_type;
    v_version := nextval('freshness.events_id_seq');
    return query select s.*, v_version from freshness.stream_states(p_data_types, p_symbols) as s;
end
$$;

comment on function freshness.follow_keys(text[], text[], integer) is
    'The states of keys (canonical symbols) with their versions. What becomes of them from then on is told to backend'
    ' p_backend on channel freshness_events, with greater versions (id); null: to nobody.';
