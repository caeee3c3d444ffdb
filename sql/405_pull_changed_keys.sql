-- Which of the changed keys go to the inbox. For rows that were taken away the answer hangs on the rows alone, never on
-- what the job waits for: a writer's transaction may stay open while workers finish the same keys, and only its commit
-- makes the change known.
create function freshness.pull_changed_keys(p_data_type text, p_symbols text[], p_newest timestamptz[])
returns void
language plpgsql
set search_path = pg_temp
set lock_timeout = '100ms'
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_known text[];
begin
    -- The limit makes it a probe by primary key for each symbol, whatever the tables' sizes were when it was planned.
    v_known := array(
        select distinct s.symbol
        from unnest(p_symbols) as s (symbol)
        cross join lateral (
            select from freshness.jobs as j where j.data_type = p_data_type and j.symbol = s.symbol limit 1
        ) as k
    );
    if cardinality(v_known) = 0 then
        return;
    end if;

    if p_newest is null then
        insert into freshness.pulls (data_type, symbol, reason)
        select p_data_type, l.symbol, 'data changed'
        from freshness.look(p_data_type, v_known) as l
        cross join lateral (
            select j.state, j.run_at from freshness.jobs as j
            where j.data_type = p_data_type and j.symbol = l.symbol
            limit 1
        ) as k
        where
            coalesce(l.refresh_at, '-infinity')
            < case when k.state = 'running' then v_now when k.run_at > v_now then k.run_at end;
    else
        insert into freshness.pulls (data_type, symbol, reason)
        select p_data_type, l.symbol, 'data changed'
        from freshness.look(p_data_type, v_known) as l
        join unnest(p_symbols, p_newest) as s (symbol, newest) on s.symbol = l.symbol
        where l.stored_at is null or s.newest is null or l.stored_at < s.newest;
    end if;
    if found then
        perform freshness.wake(p_data_type, v_now);
    end if;
end
$$;

comment on function freshness.pull_changed_keys(text, text[], timestamptz[]) is
    'Leaves a pull for those of the keys that have a job and an earlier deadline. p_newest: the newest timestamp that'
    ' a statement took away of each key, null: unknown; one that still has a row as new needs no pull. No array: rows'
    ' only arrived, and what counts is whether the job waits for a later moment than they call for.';

create function freshness.pull_all_rows(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
set lock_timeout = '100ms'
as $$
begin
    insert into freshness.pulls (data_type, reason) values (p_data_type, 'truncated');
    perform freshness.wake(p_data_type, clock_timestamp());
end
$$;

comment on function freshness.pull_all_rows(text) is 'Leaves a pull for all keys of a data type whose rows are gone.';

create function freshness.is_used(p_data_type text)
returns boolean
language plpgsql
stable
set search_path = pg_temp
set lock_timeout = '100ms'
as $$
begin
    -- Ordered as the primary key is: one probe of it, whatever the planner takes the table to be.
    perform from freshness.jobs as j where j.data_type = p_data_type order by j.symbol limit 1;
    return found;
end
$$;

comment on function freshness.is_used(text) is 'Whether any key of a data type has a job.';
