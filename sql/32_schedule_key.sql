-- Schedule for a single key, which is what a subscriber's statement brings: a few statements by primary key cost a
-- third of the set-based one.
create function freshness.schedule_key(p_data_type text, p_symbol text, p_priority integer default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_run_at timestamptz;
    v_look record;
    v_job record;
    v_is_known boolean;
begin
    select j.state <> 'running' and j.run_at > v_now as waits into v_job
    from freshness.jobs as j
    where j.data_type = p_data_type and j.symbol = p_symbol;
    v_is_known := found;

    select l.stored_at, l.fresh_until, l.refresh_at, l.problem into v_look
    from freshness.look(p_data_type, array[p_symbol]) as l;
    -- One wait for a data table's lock is enough: the caller leaves the rest to the next claim.
    if v_look.problem like '55P03%' then
        raise exception using errcode = 'lock_not_available', message = 'the table of ' || p_data_type || ' is locked';
    end if;
    v_run_at := greatest(v_look.refresh_at, v_now);

    if not v_is_known then
        insert into freshness.jobs (data_type, symbol, priority, run_at, stored_at, fresh_until, estimated_size_bytes)
        select
            p_data_type, p_symbol, coalesce(p_priority, t.priority), v_run_at, v_look.stored_at, v_look.fresh_until,
            t.estimated_size_bytes
        from freshness.data_types as t
        where t.name = p_data_type
        on conflict do nothing;
        if found then
            perform freshness.wake(p_data_type, v_run_at);
            return;
        end if;
    end if;

    insert into freshness.pulls (data_type, symbol, reason) values (p_data_type, p_symbol, 'watched');
    if v_job.waits then
        perform freshness.wake(p_data_type, v_run_at);
    end if;
end
$$;

comment on function freshness.schedule_key(text, text, integer) is
    'What freshness.schedule does, for one key.';
