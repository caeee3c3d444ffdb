create function freshness.announce_worker(p_name text, p_heartbeat_limit interval default interval '15 seconds')
returns bigint
language sql
set search_path = ''
as $$
    insert into freshness.workers (name, heartbeat_limit) values (p_name, p_heartbeat_limit) returning id
$$;

comment on function freshness.announce_worker(text, interval) is
    'Makes a worker known and returns its id. It counts as dead when nothing is heard of it for p_heartbeat_limit while it'
    ' runs something.';

create function freshness.heartbeat(p_worker bigint)
returns boolean
language sql
set search_path = ''
as $$
    with seen as (
        update freshness.workers as w set seen_at = clock_timestamp() where w.id = p_worker returning 1
    )

    select exists (select from seen)
$$;

comment on function freshness.heartbeat(bigint) is
    'Says that a worker is alive. False: it was taken for dead, and has to be announced anew.';

create function freshness.dismiss_worker(p_worker bigint)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_handed_back integer;
begin
    delete from freshness.workers as w where w.id = p_worker;
    with handed_back as (
        update freshness.jobs as j
        set state = 'scheduled', worker = null, fence = null, started_at = null, run_at = clock_timestamp()
        where j.state = 'running' and j.worker = p_worker
        returning j.data_type, j.symbol
    )

    insert into freshness.events (kind, data_type, symbol, worker)
    select 'handed_back', h.data_type, h.symbol, p_worker from handed_back as h;

    get diagnostics v_handed_back = row_count;
    if v_handed_back > 0 then
        perform freshness.wake(clock_timestamp());
    end if;
    return v_handed_back;
end
$$;

comment on function freshness.dismiss_worker(bigint) is
    'Takes a worker off the list and makes due what it still ran. Returns the number of those jobs.';

create function freshness.next_moment(p_worker bigint, p_data_types text[])
returns double precision
language plpgsql
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
begin
    return freshness.seconds_until(least(
        (
            select min(d.due_at)
            from unnest(p_data_types) as t (name)
            cross join generate_series(0, 9) as class (priority)
            cross join lateral (
                select j.due_at
                from freshness.jobs as j
                where j.data_type = t.name and j.priority = class.priority and j.state <> 'running'
                order by j.due_at
                limit 1
            ) as d
        ),
        (
            select min(w.seen_at + w.heartbeat_limit)
            from freshness.workers as w
            where
                w.id <> p_worker
                and exists (select from freshness.jobs as j where j.worker = w.id and j.state = 'running')
        ),
        (select clock_timestamp() + interval '250 milliseconds' where exists (select from freshness.pulls))
    ));
end
$$;

comment on function freshness.next_moment(bigint, text[]) is
    'Seconds from now, by the database''s clock, until something is due for a worker: a deadline of its data types,'
    ' another worker''s missed heartbeat, a pull that could not be folded. Negative: overdue. Null: nothing is known.';
