create function freshness.announce_worker(
    p_name text, p_heartbeat_limit interval default interval '15 seconds', p_takes_jobs boolean default false
)
returns bigint
language sql
set search_path = pg_temp
as $$
    insert into freshness.workers (name, heartbeat_limit, takes_jobs)
    values (p_name, p_heartbeat_limit, p_takes_jobs) returning id
$$;

comment on function freshness.announce_worker(text, interval, boolean) is
    'Makes a worker known and returns its id. It counts as dead when nothing is heard of it for p_heartbeat_limit'
    ' while it runs something. p_takes_jobs: jobs may be handed to it while it sleeps.';

create function freshness.heartbeat(p_worker bigint)
returns boolean
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.workers as w set seen_at = clock_timestamp() where w.id = p_worker;
    return found;
end
$$;

comment on function freshness.heartbeat(bigint) is
    'Says that a worker is alive. False: it was taken for dead, and has to be announced anew.';

create function freshness.seen(p_worker bigint)
returns boolean
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_worker freshness.workers;
begin
    select * into v_worker from freshness.workers as w where w.id = p_worker;
    update freshness.workers as w set seen_at = clock_timestamp() where w.id = p_worker;
    return v_worker.seen_at > clock_timestamp() + interval '1 second';
end
$$;

comment on function freshness.seen(bigint) is
    'Part of claim: notes that a worker is alive. True: it was seen in the future, so the clock was set back; null: it'
    ' is not on the list.';

create function freshness.dismiss_worker(p_worker bigint)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_handed_back integer;
    v_data_types text[];
    v_type text;
begin
    delete from freshness.workers as w where w.id = p_worker;
    -- In the order of requests for many keys: neither waits for the other in a circle.
    perform from freshness.jobs as j
    where j.state = 'running' and j.worker = p_worker
    order by j.data_type, j.symbol
    for update;
    with handed_back as (
        update freshness.jobs as j
        set state = 'scheduled', worker = null, fence = null, started_at = null, waited = null, run_at = clock_timestamp()
        where j.state = 'running' and j.worker = p_worker
        returning j.data_type, j.symbol
    ),

    noted as (
        insert into freshness.events (kind, data_type, symbol, worker)
        select 'handed_back', h.data_type, h.symbol, p_worker from handed_back as h
    )

    select count(*), coalesce(array_agg(distinct h.data_type), '{}') into v_handed_back, v_data_types
    from handed_back as h;
    perform freshness.disarm(s.channel) from freshness.sleepers as s where s.worker = p_worker;
    foreach v_type in array v_data_types loop
        perform freshness.wake(v_type, clock_timestamp());
    end loop;
    return v_handed_back;
end
$$;

comment on function freshness.dismiss_worker(bigint) is
    'Takes a worker off the list and makes due what it still ran. Returns the number of those jobs.';
