create function freshness.next_due(p_data_types text[])
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return (
        select min(greatest(d.due_at, s.opens_at))
        from freshness.data_types as t
        left join freshness.sources as s on s.name = t.source and s.opens_at > clock_timestamp()
        cross join generate_series(0, 9) as class (priority)
        cross join lateral (
            select j.due_at
            from freshness.jobs as j
            where j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
            order by j.due_at
            limit 1
        ) as d
        where t.name = any (p_data_types)
    );
end
$$;

comment on function freshness.next_due(text[]) is
    'When the next job of these data types is due and its source open; null when there is none.';

create function freshness.next_missed_heartbeat(p_worker bigint)
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    if freshness.runs_for_nobody() then
        return clock_timestamp();
    end if;
    return (
        select min(
            w.heartbeat_limit + case
                when w.seen_at + w.heartbeat_limit > clock_timestamp() then w.seen_at
                -- Not heard of for long, and yet not dead: what it runs was handed to it.
                else (
                    select min(freshness.last_sign(w.seen_at, j.started_at, w.heartbeat_limit))
                    from freshness.jobs as j
                    where j.worker = w.id and j.state = 'running'
                )
            end
        )
        from freshness.workers as w
        where
            w.id <> p_worker
            and exists (select from freshness.jobs as j where j.worker = w.id and j.state = 'running')
    );
end
$$;

comment on function freshness.next_missed_heartbeat(bigint) is
    'When the first of the other workers that run something will have missed its heartbeat, if it has died; at once'
    ' when something runs for one that is not on the list.';

create function freshness.next_moment(p_worker bigint, p_data_types text[])
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return least(freshness.next_due(p_data_types), freshness.next_missed_heartbeat(p_worker));
end
$$;

comment on function freshness.next_moment(bigint, text[]) is
    'When something is due for a worker: a deadline of its data types, or another worker''s missed heartbeat. In the'
    ' past: overdue. Null: nothing is known.';
