-- After somebody's interest in keys was recorded: each gets its job, due now if stale, else at its deadline. This runs
-- in other people's transactions, so it never touches a job that exists; it leaves a pull, which is folded once they
-- commit. A pull even when the job looks right: a claim may be dropping that job at this very moment, not seeing the
-- new watch.
create function freshness.schedule(p_data_type text, p_symbols text[], p_priority integer default null)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_run_at timestamptz;
    v_added integer;
    v_is_locked boolean;
begin
    with looked as materialized (
        select
            l.*,
            j.symbol is not null as known,
            coalesce(p_priority, t.priority)::smallint as priority,
            greatest(l.refresh_at, clock_timestamp()) as run_at,
            j.state <> 'running' and j.run_at > clock_timestamp() as waits,
            -- It may be going away at this very moment: then only the pull is left of it.
            j.state <> 'running' and j.due_at <= clock_timestamp() as is_due
        from freshness.data_types as t
        cross join lateral freshness.look(t.name, p_symbols) as l
        left join lateral (
            select o.* from freshness.jobs as o where o.data_type = t.name and o.symbol = l.symbol limit 1
        ) as j on true
        where t.name = p_data_type
    ),

    added as (
        insert into freshness.jobs (data_type, symbol, priority, run_at, stored_at, fresh_until, estimated_size_bytes)
        select p_data_type, l.symbol, l.priority, l.run_at, l.stored_at, l.fresh_until, t.estimated_size_bytes
        from looked as l
        join freshness.data_types as t on t.name = p_data_type
        where not l.known
        -- One order for all: two transactions that add the same keys cannot wait for each other in a circle.
        order by l.symbol
        on conflict do nothing
        returning symbol, run_at
    ),

    pulled as (
        insert into freshness.pulls (data_type, symbol, priority, reason)
        select p_data_type, l.symbol, p_priority, 'watched'
        from looked as l
        where l.symbol not in (select a.symbol from added as a)
    )

    select
        least(
            (select min(a.run_at) from added as a),
            (select min(l.run_at) from looked as l where l.waits),
            (select min(clock_timestamp()) from looked as l where l.is_due)
        ),
        (select count(*) from added as a),
        (select bool_or(l.problem like '55P03%') from looked as l)
    into v_run_at, v_added, v_is_locked;

    -- One wait for a data table's lock is enough: the caller leaves the rest to the next claim.
    if v_is_locked then
        raise exception using errcode = 'lock_not_available', message = 'the table of ' || p_data_type || ' is locked';
    end if;

    -- A job that this transaction has made, and nobody else sees, can be handed over.
    if v_added = 1 and cardinality(p_symbols) = 1 and v_run_at <= clock_timestamp() then
        perform freshness.hand_over(p_data_type, p_symbols[1], 1);
    elsif v_run_at is not null then
        perform freshness.wake(p_data_type, v_run_at);
    end if;
end
$$;

comment on function freshness.schedule(text, text[], integer) is
    'Gives each key (canonical symbols) a job if it has none: due now if its data is stale or missing, else when it'
    ' goes stale. Keys that have one get a pull. Wakes a worker when one is due within half a minute.';
