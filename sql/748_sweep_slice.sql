-- One at a time. The lock ends with the transaction, however that ends, so that it never outlives its session, also
-- behind a pooler. A sweep that commits takes it anew; if another one came in between, that one does all the rest.
create function freshness.begin_sweep()
returns boolean
language sql
set search_path = pg_temp
as $$
    select pg_try_advisory_xact_lock(hashtext('freshness.sweep'))
$$;

comment on function freshness.begin_sweep() is
    'Begins a transaction of a sweep: false when another sweep is under way.';

create function freshness.prepare_sweep(p_size integer)
returns freshness.sweeps
language plpgsql
set search_path = pg_temp
set jit = off
set work_mem = '32MB'
set plan_cache_mode = force_custom_plan
as $$
declare
    v_sweep freshness.sweeps;
    v_differing record;
begin
    if not freshness.begin_sweep() then
        return null;
    end if;
    v_sweep.started_at := clock_timestamp();
    for v_turn in 0..freshness.turns_to_fold(p_size) loop
        perform freshness.fold_pulls(p_size);
    end loop;
    v_sweep.watches_ended := freshness.end_watches();
    v_sweep.taken_over := freshness.take_over();
    v_sweep.jobs_mended := freshness.forget_unregistered() + freshness.mend_not_before();
    v_sweep.watches_mended := 0;
    v_sweep.keys_released := freshness.drop_unwatched();
    v_sweep.viewers_counted := 0;
    v_sweep.is_complete := true;

    delete from freshness.sweep_slices;
    v_differing := freshness.differing_subscriptions();
    insert into freshness.sweep_slices (is_plain, subscription_rows)
    select w.is_plain, w.rows[n:n + p_size - 1]
    from (values (true, v_differing.plain), (false, v_differing.others)) as w (is_plain, rows)
    cross join generate_series(1, cardinality(w.rows), p_size) as n
    order by not w.is_plain, n;
    -- Which keys differ shows when all subscriptions have their watches.
    insert into freshness.sweep_slices (data_type) select t.name from freshness.data_types as t order by t.name;
    return v_sweep;
end
$$;

comment on function freshness.prepare_sweep(integer) is
    'Begins a sweep: does what is done at once, and leaves the rest in slices of p_size to freshness.sweep_slice, which'
    ' gets what this returns. Null when another sweep is under way.';

create function freshness.sweep_slice(p_sweep freshness.sweeps, p_size integer)
returns freshness.sweeps
language plpgsql
set search_path = pg_temp
set jit = off
set work_mem = '32MB'
-- How many rows there are changes from slice to slice, and from one sweep of a session to the next.
set plan_cache_mode = force_custom_plan
as $$
declare
    v_sweep freshness.sweeps := p_sweep;
    v_slice freshness.sweep_slices;
    v_differing record;
    v_mended record;
begin
    if not freshness.begin_sweep() then
        return null;
    end if;
    delete from freshness.sweep_slices as s
    where s.id = (select min(o.id) from freshness.sweep_slices as o)
    returning s.* into v_slice;
    if not found then
        return freshness.end_sweep(v_sweep);
    elsif v_slice.data_type is null then
        v_mended := freshness.sweep_subscriptions(v_slice.subscription_rows, v_slice.is_plain);
        v_sweep.watches_mended := v_sweep.watches_mended + v_mended.mended;
    elsif v_slice.symbols is null then
        v_differing := freshness.differing_keys(v_slice.data_type);
        insert into freshness.sweep_slices (data_type, is_plain, symbols)
        select v_slice.data_type, w.is_plain, w.symbols[n:n + p_size - 1]
        from (values (true, v_differing.missing), (false, v_differing.others)) as w (is_plain, symbols)
        cross join generate_series(1, cardinality(w.symbols), p_size) as n
        order by not w.is_plain, n;
        return v_sweep;
    else
        v_mended := freshness.sweep_keys(v_slice.data_type, v_slice.symbols, v_slice.is_plain);
        v_sweep.jobs_mended := v_sweep.jobs_mended + v_mended.mended;
        v_sweep.keys_released := v_sweep.keys_released + v_mended.released;
        v_sweep.viewers_counted := v_sweep.viewers_counted + v_mended.counted;
    end if;
    v_sweep.is_complete := v_sweep.is_complete and v_mended.passed_over = 0;
    return v_sweep;
end
$$;

comment on function freshness.sweep_slice(freshness.sweeps, integer) is
    'Mends the next slice of a sweep and returns the sweep with what was done added; the last call records it, and then'
    ' it has an id. Null when another sweep is under way, which does all the rest.';
