-- The net under everything: from any state it brings the tables back to what the triggers and the claim would have
-- made.
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
    'Reconciles watches with realtime.subscription, ends leases, gives every watched key the job that it should have,'
    ' hands on the jobs of dead workers, prunes history. Returns what it did, also kept in freshness.sweeps; null when'
    ' another sweep is under way.';

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
