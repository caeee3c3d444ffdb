-- A worker that was handed a job (freshness.hand_over) and cannot run it, or may not be sure that it still runs for it.
create function freshness.hand_back(p_worker bigint, p_fences bigint[])
returns integer
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
set lock_timeout = '100ms'
as $$
declare
    v_data_types text[];
    v_type text;
    v_count integer;
begin
    with handed_back as (
        update freshness.jobs as j
        set
            state = 'scheduled', worker = null, fence = null, started_at = null, waited = null,
            run_at = clock_timestamp()
        where j.state = 'running' and j.worker = p_worker and j.fence = any (p_fences)
        returning j.data_type, j.symbol
    ),

    -- As its start: on record for those alone who are told of it.
    noted as (
        insert into freshness.events (kind, data_type, symbol, worker)
        select 'handed_back', h.data_type, h.symbol, p_worker
        from handed_back as h
        where exists (
            select from freshness.listeners as l
            where l.data_type = h.data_type and l.symbol = h.symbol and l.is_told_of_starts
        )
    )

    select count(*), array_agg(distinct h.data_type) into v_count, v_data_types from handed_back as h;
    foreach v_type in array coalesce(v_data_types, '{}') loop
        perform freshness.wake(v_type, clock_timestamp());
    end loop;
    return v_count;
end
$$;

comment on function freshness.hand_back(bigint, bigint[]) is
    'Makes due what was handed to a worker that does not begin with it (the fences of the jobs), and wakes whoever is'
    ' to claim it. Returns the number of those jobs; what does not run for it any more is passed over.';

create function freshness.taken_up(p_worker bigint, p_data_types text[])
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    perform freshness.seen(p_worker);
    perform freshness.call_understudy(p_worker, p_data_types);
end
$$;

comment on function freshness.taken_up(bigint, text[]) is
    'Says that a worker has begun with what was handed to it: one of those that sleep will notice if it dies.';
