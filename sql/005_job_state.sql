-- "Scheduled" and "pending" are one stored state, told apart by the clock: pending means due_at <= now.
create type freshness.job_state as enum (
    'scheduled',  -- waits for due_at; running -> scheduled: finished, or failed and tried again later
    'running',    -- scheduled | failed -> running: claimed by a worker, guarded by a fence
    'failed'      -- running -> failed: set aside after too many attempts, until due_at or freshness.retry
);

comment on type freshness.job_state is
    'State of a job. Scheduled: waits for its deadline, or is due. Running: being fetched. Failed: set aside.';
