-- The net under everything: from any state it brings the tables back to what the triggers and the claim would have made.
create function freshness.sweep()
returns freshness.sweeps
language plpgsql
set search_path = ''
set jit = off
as $$
declare
    v_started_at timestamptz := clock_timestamp();
    v_sweep freshness.sweeps;
    v_type record;
    v_subscriptions bigint[];
begin
    -- One at a time; the lock ends with the transaction, however that ends.
    if not pg_try_advisory_xact_lock(hashtext('freshness.sweep')) then
        return null;
    end if;

    perform freshness.fold_pulls(1000000);
    v_sweep.watches_ended := freshness.end_watches();
    v_sweep.watches_mended := 0;
    v_sweep.jobs_mended := 0;

    if to_regclass('realtime.subscription') is not null then
        v_subscriptions := array(
            select s.id
            from realtime.subscription as s
            where
                not exists (select from freshness.watches as w where w.subscription_row = s.id)
                and exists (
                    select from freshness.data_types as t
                    where t.data_table = s.entity or t.data_table = pg_catalog.pg_partition_root(s.entity)
                )
        );
        v_sweep.watches_mended := freshness.watch_subscriptions(v_subscriptions, false);
    end if;

    v_sweep.taken_over := freshness.take_over();
    perform freshness.forget_unregistered();

    for v_type in select t.name from freshness.data_types as t order by t.name loop
        v_sweep.jobs_mended := v_sweep.jobs_mended + (
            select count(*) from freshness.reconsider(v_type.name) as r where r.outcome in ('added', 'moved')
        );
    end loop;

    perform freshness.prune();
    insert into freshness.sweeps (started_at, duration, watches_ended, watches_mended, jobs_mended, taken_over)
    values (
        v_started_at, clock_timestamp() - v_started_at,
        v_sweep.watches_ended, v_sweep.watches_mended, v_sweep.jobs_mended, v_sweep.taken_over
    )
    returning * into v_sweep;
    return v_sweep;
end
$$;

comment on function freshness.sweep() is
    'Reconciles watches with realtime.subscription, ends leases, gives every watched key the job that it should have, hands'
    ' on the jobs of dead workers, prunes history. Returns what it did, also kept in freshness.sweeps; null when another'
    ' sweep is under way.';

create function freshness.sweep_if_due(p_interval interval)
returns boolean
language plpgsql
set search_path = ''
as $$
begin
    if exists (select from freshness.sweeps as s where s.started_at > clock_timestamp() - p_interval) then
        return false;
    end if;
    return (freshness.sweep()).id is not null;
end
$$;

comment on function freshness.sweep_if_due(interval) is
    'Runs the sweep unless one has run within p_interval: what workers call where pg_cron does not. True when it ran.';

create function freshness.end_watches()
returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_leases integer;
    v_subscriptions integer;
begin
    delete from freshness.watches as w where w.lease_until <= v_now;
    get diagnostics v_leases = row_count;
    if to_regclass('realtime.subscription') is null then
        delete from freshness.watches as w where w.subscription_row is not null;
    else
        delete from freshness.watches as w
        where
            w.subscription_row is not null
            and not exists (
                select from realtime.subscription as s
                where s.id = w.subscription_row and s.subscription_id = w.subscription_id
            );
    end if;
    get diagnostics v_subscriptions = row_count;
    return v_leases + v_subscriptions;
end
$$;

comment on function freshness.end_watches() is
    'Removes leases that have ended and watches whose subscription is gone, and returns their number.';

create function freshness.forget_unregistered()
returns void
language sql
set search_path = ''
as $$
    delete from freshness.jobs as j
    where not exists (select from freshness.data_types as t where t.name = j.data_type);
    delete from freshness.watches as w
    where not exists (select from freshness.data_types as t where t.name = w.data_type);
    insert into freshness.events (kind, data_type, message)
    select 'error', t.name, 'its data table was dropped: register it again'
    from freshness.data_types as t
    where not exists (select from pg_catalog.pg_class as c where c.oid = t.data_table)
$$;

comment on function freshness.forget_unregistered() is
    'Removes what is left of data types that are not registered, and puts those whose table was dropped on record.';

create function freshness.prune()
returns void
language plpgsql
set search_path = ''
as $$
begin
    delete from freshness.events as e where e.happened_at < clock_timestamp() - interval '7 days';
    delete from freshness.sweeps as s where s.started_at < clock_timestamp() - interval '7 days';
    delete from freshness.workers as w
    where
        w.seen_at < clock_timestamp() - interval '1 hour'
        and not exists (select from freshness.jobs as j where j.worker = w.id and j.state = 'running')
        and w.started_at < clock_timestamp() - interval '7 days';
    if to_regclass('cron.job_run_details') is not null then
        delete from cron.job_run_details as d
        using cron.job as j
        where
            d.jobid = j.jobid
            and j.jobname = 'check-stale-data-v2'
            and d.end_time < clock_timestamp() - interval '7 days';
    end if;
exception
    when insufficient_privilege or undefined_table or undefined_column then
        raise warning 'freshness: history of pg_cron not pruned: %', sqlerrm;
end
$$;

comment on function freshness.prune() is
    'Removes history older than 7 days: events, sweeps, workers that never left, and pg_cron''s records of our job.';
