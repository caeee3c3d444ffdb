create function freshness.unregistered()
returns text[]
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    -- From one name to the next by the primary keys, not through all rows.
    return array(
        with recursive used as (
            select (select min(j.data_type) from freshness.jobs as j) as name
            union all
            select (select min(j.data_type) from freshness.jobs as j where j.data_type > u.name)
            from used as u where u.name is not null
        ),

        watched as (
            select (select min(w.data_type) from freshness.watches as w) as name
            union all
            select (select min(w.data_type) from freshness.watches as w where w.data_type > d.name)
            from watched as d where d.name is not null
        )

        select k.name
        from (select u.name from used as u union select d.name from watched as d) as k
        where k.name is not null and not exists (select from freshness.data_types as t where t.name = k.name)
    );
end
$$;

comment on function freshness.unregistered() is 'Data types that have jobs or watches, but are not registered.';

create function freshness.forget_unregistered()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_names text[] := freshness.unregistered();
    v_forgotten integer;
begin
    delete from freshness.jobs as j
    where j.ctid = any (array(
        select h.ctid
        from freshness.jobs as h
        where h.data_type = any (v_names)
        for update skip locked
    ));
    get diagnostics v_forgotten = row_count;
    delete from freshness.watches as w
    where w.ctid = any (array(
        select k.ctid
        from freshness.watches as k
        where k.data_type = any (v_names)
        for update skip locked
    ));
    insert into freshness.events (kind, data_type, message)
    select 'error', t.name, 'its data table was dropped: register it again'
    from freshness.data_types as t
    where not exists (select from pg_catalog.pg_class as c where c.oid = t.data_table);
    return v_forgotten;
end
$$;

comment on function freshness.forget_unregistered() is
    'Removes what is left of data types that are not registered, and puts those whose table was dropped on record.'
    ' Returns the number of such jobs.';
-- What the claim does with a due key; here for keys that no worker serves.
create function freshness.drop_unwatched()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_dropped integer;
begin
    delete from freshness.jobs as j
    where j.ctid = any (array(
        select o.ctid
        from freshness.jobs as o
        join freshness.data_types as t on t.name = o.data_type
        where
            o.state <> 'running' and o.unwatched_at + t.keep_warm <= v_now and o.due_at <= v_now
            and o.requested_at is null and o.required_as_of is null
            -- Key by key, by the index: no join, which the planner may make one of all with all.
            and (
                select true from freshness.watches as w where w.data_type = o.data_type and w.symbol = o.symbol limit 1
            ) is null
        for update of o skip locked
    ));
    get diagnostics v_dropped = row_count;
    return v_dropped;
end
$$;

comment on function freshness.drop_unwatched() is
    'Removes the jobs of keys that nobody wants and whose keep_warm is over, and returns their number.';
