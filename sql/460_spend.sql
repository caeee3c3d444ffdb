-- A job that leaves the state running, whichever way, has spent its calls: a trigger, so that no way can forget it.
-- Whoever sets its calls to 0 has counted them, as finish does for many at once.
create function freshness.spend()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
declare
    v_job record;
begin
    v_job := case when tg_op = 'DELETE' then old else new end;
    insert into freshness.spent_calls (source, calls, bytes)
    select t.source, v_job.calls, coalesce(v_job.estimated_size_bytes, 0)
    from freshness.data_types as t
    where t.name = v_job.data_type and t.source is not null;
    return null;
end
$$;

comment on function freshness.spend() is
    'Trigger function of jobs: counts the calls and bytes of a refresh that has ended. Whoever ends it may set'
    ' jobs.calls and estimated_size_bytes to what was really used, or jobs.calls to 0 when it has counted them itself.';

create trigger spend_on_update
after update of state on freshness.jobs
for each row when (old.state = 'running' and old.calls > 0 and new.state <> 'running' and new.calls > 0)
execute function freshness.spend();

create trigger spend_on_delete
after delete on freshness.jobs
for each row when (old.state = 'running' and old.calls > 0)
execute function freshness.spend();

create function freshness.fold_spent_calls(p_source text)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    -- The clock was set back: what was spent then counts from now on.
    update freshness.spent_calls as c set spent_at = v_now
    where c.source = p_source and c.spent_at > v_now + interval '1 second';

    with gone as (
        delete from freshness.spent_calls as c
        where c.source = p_source and c.spent_at <= v_now - interval '60 seconds'
        returning c.*
    )

    insert into freshness.spent_days as d (source, day, calls, bytes)
    select p_source, (g.spent_at at time zone 'UTC')::date, sum(g.calls), sum(g.bytes)
    from gone as g
    group by 2
    order by 2
    on conflict (source, day) do update set calls = d.calls + excluded.calls, bytes = d.bytes + excluded.bytes;
end
$$;

comment on function freshness.fold_spent_calls(text) is
    'Moves calls that no minute counts any more into the day''s sum. Called with the source''s row locked.';
