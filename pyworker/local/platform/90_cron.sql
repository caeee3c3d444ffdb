-- pg_cron lives in one database of a cluster. postgres schedules by function, never by writing
-- into cron.job, and may do all but create triggers on the log of runs.
do $$
begin
    if current_setting('cron.database_name', true) is distinct from current_database()
        or not exists (
            select from pg_catalog.pg_available_extensions where name = 'pg_cron'
        )
    then
        return;
    end if;

    if not exists (select from pg_catalog.pg_extension where extname = 'pg_cron') then
        create extension pg_cron with schema pg_catalog;
    end if;
    grant usage on schema cron to postgres with grant option;
    grant execute on all functions in schema cron to postgres with grant option;
    revoke all on cron.job from postgres;
    grant select on cron.job to postgres with grant option;
    revoke all on cron.job_run_details from postgres;
    grant select, insert, update, delete, truncate, references
    on cron.job_run_details to postgres with grant option;
    grant usage on all sequences in schema cron to postgres;
end;
$$;
