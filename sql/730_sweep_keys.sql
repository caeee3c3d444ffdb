-- A slice of a sweep's keys.

create function freshness.add_jobs(p_data_type text, p_symbols text[])
returns integer
language plpgsql
set search_path = pg_temp
set enable_seqscan = off
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_added integer;
begin
    insert into freshness.jobs (
        data_type, symbol, priority, run_at, stored_at, fresh_until, viewers, estimated_size_bytes
    )
    select
        t.name, l.symbol, t.priority, greatest(l.refresh_at, v_now), l.stored_at, l.fresh_until, w.viewers,
        t.estimated_size_bytes
    from freshness.data_types as t
    cross join lateral freshness.look(t.name, p_symbols) as l
    -- Key by key, by their indexes: what the planner takes for few keys can be 100,000, and no join of all with all
    -- would end.
    cross join lateral (
        select count(*)::integer as viewers
        from freshness.watches as w
        where w.data_type = p_data_type and w.symbol = l.symbol
    ) as w
    where
        t.name = p_data_type
        and w.viewers > 0
        and not exists (select from freshness.jobs as j where j.data_type = p_data_type and j.symbol = l.symbol)
    order by l.symbol;
    get diagnostics v_added = row_count;
    if v_added > 0 then
        perform freshness.wake(p_data_type, v_now);
    end if;
    return v_added;
end
$$;

comment on function freshness.add_jobs(text, text[]) is
    'Adds the jobs of watched keys that have none, as reconsider does, for many at once; watches that are over were'
    ' ended before. Fails with unique_violation when somebody adds one of them at this moment.';

create function freshness.sweep_keys(
    p_data_type text,
    p_symbols text[],
    p_are_missing boolean,
    out mended integer,
    out released integer,
    out counted integer,
    out passed_over integer
)
language plpgsql
set search_path = pg_temp
set lock_timeout = '20ms'
as $$
declare
    v_middle integer := cardinality(p_symbols) / 2;
begin
    if p_are_missing then
        mended := freshness.add_jobs(p_data_type, p_symbols);
        released := 0;
        counted := 0;
        passed_over := 0;
    else
        select
            count(*) filter (where r.outcome in ('added', 'moved')), count(*) filter (where r.outcome = 'unwatched'),
            count(*) filter (where r.outcome = 'counted'), count(*) filter (where r.outcome like '%locked')
        into mended, released, counted, passed_over
        from freshness.reconsider(p_data_type, p_symbols) as r;
    end if;
exception
    when unique_violation then
        select s.* into mended, released, counted, passed_over
        from freshness.sweep_keys(p_data_type, p_symbols, false) as s;
    when lock_not_available then
        if v_middle = 0 then
            mended := 0;
            released := 0;
            counted := 0;
            passed_over := 1;
        else
            select sum(s.mended), sum(s.released), sum(s.counted), sum(s.passed_over)
            into mended, released, counted, passed_over
            from (values (p_symbols[:v_middle]), (p_symbols[v_middle + 1:])) as half (symbols)
            cross join lateral freshness.sweep_keys(p_data_type, half.symbols, p_are_missing) as s;
        end if;
    when others or assert_failure then
        insert into freshness.events (kind, data_type, message)
        values ('error', p_data_type, format('keys of %s not looked at: %s', p_data_type, sqlerrm));
        mended := 0;
        released := 0;
        counted := 0;
        passed_over := cardinality(p_symbols);
end
$$;

comment on function freshness.sweep_keys(text, text[], boolean) is
    'add_jobs for keys that have none, else reconsider, waiting for nobody: how many jobs were mended (added or moved),'
    ' released as unwatched, had only their viewers counted, and were passed over.';
