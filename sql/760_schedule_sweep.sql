-- pg_cron is there on Supabase but not switched on. Without it any worker runs the sweep.
create function freshness.schedule_sweep()
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    if to_regnamespace('cron') is null then
        if not exists (select from pg_catalog.pg_available_extensions as e where e.name = 'pg_cron') then
            raise notice 'freshness: pg_cron is not available; workers run the sweep';
            return false;
        end if;
        create extension if not exists pg_cron;
    end if;
    -- Each slice in a transaction of its own; everything was compared once, before the first.
    perform cron.schedule(
        'check-stale-data-v2', '*/5 * * * *',
        $cron$
        do $do$
        declare
            v_sweep freshness.sweeps := freshness.prepare_sweep(5000);
        begin
            while v_sweep.started_at is not null and v_sweep.id is null loop
                commit;
                v_sweep := freshness.sweep_slice(v_sweep, 5000);
            end loop;
        end
        $do$
        $cron$
    );
    return true;
exception
    when others then
        raise notice 'freshness: pg_cron is not used here (%); workers run the sweep', sqlerrm;
        return false;
end
$$;

comment on function freshness.schedule_sweep() is
    'Has pg_cron run the sweep every 5 minutes, as job check-stale-data-v2. False when pg_cron cannot be used here.';

select freshness.schedule_sweep();
