create function freshness.prune()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_pruned integer;
    v_cron integer := 0;
begin
    delete from freshness.events as e where e.happened_at < clock_timestamp() - interval '7 days';
    get diagnostics v_pruned = row_count;
    -- One in the future was made before the clock was set back, and would be taken for the last one.
    delete from freshness.sweeps as s
    where
        s.started_at < clock_timestamp() - interval '7 days' or s.started_at > clock_timestamp() + interval '1 minute';
    -- What the budgets have stopped counting.
    delete from freshness.spent_days as d where d.day < (clock_timestamp() at time zone 'UTC')::date - 30;
    delete from freshness.workers as w
    where
        w.seen_at < clock_timestamp() - interval '1 hour'
        and not exists (select from freshness.jobs as j where j.worker = w.id and j.state = 'running')
        and w.started_at < clock_timestamp() - interval '7 days'
        -- To one that sleeps, somebody may be handing a job.
        and not exists (select from freshness.sleepers as s where s.worker = w.id);
    perform freshness.forget_lost_listeners();
    begin
        if to_regclass('cron.job_run_details') is not null then
            delete from cron.job_run_details as d
            using cron.job as j
            where
                d.jobid = j.jobid
                and j.jobname = 'check-stale-data-v2'
                and d.end_time < clock_timestamp() - interval '7 days';
            get diagnostics v_cron = row_count;
        end if;
    exception
        when insufficient_privilege or undefined_table or undefined_column then
            raise warning 'freshness: history of pg_cron not pruned: %', sqlerrm;
    end;
    return v_pruned + v_cron;
end
$$;

comment on function freshness.prune() is
    'Removes history older than 7 days: events, sweeps, workers that never left, and pg_cron''s records of our job;'
    ' and the spent calls of days before the last 30. Returns the number of events and records.';
