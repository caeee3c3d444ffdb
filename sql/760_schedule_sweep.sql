-- pg_cron is there on Supabase but not switched on. Without it any worker runs the sweep.
create function freshness.schedule_sweep()
returns boolean
language plpgsql
set search_path = ''
as $$
begin
    if to_regnamespace('cron') is null then
        if not exists (select from pg_catalog.pg_available_extensions as e where e.name = 'pg_cron') then
            raise notice 'freshness: pg_cron is not available; workers run the sweep';
            return false;
        end if;
        create extension if not exists pg_cron;
    end if;
    -- Each turn in a transaction of its own; the end is when nothing is left that can be mended now.
    perform cron.schedule(
        'check-stale-data-v2', '*/5 * * * *',
        $cron$
        do $do$
        declare
            v_sweep freshness.sweeps;
        begin
            for v_turn in 1..1000 loop
                v_sweep := freshness.sweep(5000);
                commit;
                exit when coalesce(v_sweep.is_complete, true);
                exit when v_sweep.watches_mended + v_sweep.jobs_mended + v_sweep.keys_released = 0;
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
