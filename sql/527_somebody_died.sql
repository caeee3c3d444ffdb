-- Handed over by a transaction that was committed when its worker had left, say. One look into the index for each
-- worker that runs something, however many jobs those are.
create function freshness.runs_for_nobody()
returns boolean
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return exists (
        with recursive running as (
            (select j.worker from freshness.jobs as j where j.state = 'running' order by j.worker limit 1)
            union all
            select (
                select j.worker from freshness.jobs as j
                where j.state = 'running' and j.worker > r.worker
                order by j.worker limit 1
            )
            from running as r
            where r.worker is not null
        )

        select from running as r
        where r.worker is not null and r.worker not in (select w.id from freshness.workers as w)
    );
end
$$;

comment on function freshness.runs_for_nobody() is 'Whether jobs run for workers that are not on the list.';

create function freshness.somebody_died()
returns boolean
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return exists (
        select from freshness.workers as w
        where
            w.seen_at > clock_timestamp() + w.heartbeat_limit
            or (
                w.seen_at + w.heartbeat_limit < clock_timestamp()
                and exists (
                    select from freshness.jobs as j
                    where
                        j.worker = w.id and j.state = 'running'
                        and freshness.last_sign(w.seen_at, j.started_at, w.heartbeat_limit) + w.heartbeat_limit
                        < clock_timestamp()
                    limit 1
                )
            )
    ) or freshness.runs_for_nobody();
end
$$;

comment on function freshness.somebody_died() is
    'Whether freshness.take_over has anything to do: a worker that runs something has not been heard of for its'
    ' heartbeat_limit, is not on the list any more, or was seen in the future.';
