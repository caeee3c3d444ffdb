-- Falling asleep, first step: say until when, and commit. From then on whoever writes a job that is due earlier says
-- so. One sleeper keeps the time for the others, which sleep on; they look each half minute, in case it died.
create function freshness.sleep_until(p_channel text, p_worker bigint, p_data_types text[])
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_moment timestamptz := coalesce(freshness.next_moment(p_worker, p_data_types), 'infinity');
begin
    if v_moment > clock_timestamp() and exists (
        select from freshness.sleepers as s
        where
            s.channel <> p_channel
            and s.data_types @> p_data_types
            and s.asleep_until between clock_timestamp() and v_moment
            and s.looked_at > clock_timestamp() - interval '65 seconds'
            and s.asleep_until < 'infinity'
    ) then
        return 'infinity'::timestamptz;
    end if;
    return v_moment;
end
$$;

comment on function freshness.sleep_until(text, bigint, text[]) is
    'Until when a worker may sleep: until something is due for it, or without end (infinity) when another sleeper that'
    ' can do its work wakes by then.';

create function freshness.arm(p_channel text, p_worker bigint, p_data_types text[], p_listener integer)
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    insert into freshness.sleepers as s (channel, worker, data_types, listener, asleep_until, looked_at)
    values (
        p_channel, p_worker, p_data_types, p_listener,
        freshness.sleep_until(p_channel, p_worker, p_data_types), clock_timestamp()
    )
    on conflict (channel) do update set
        worker = excluded.worker,
        data_types = excluded.data_types,
        listener = excluded.listener,
        asleep_until = excluded.asleep_until,
        looked_at = excluded.looked_at;
end
$$;

comment on function freshness.arm(text, bigint, text[], integer) is
    'Puts a worker among the sleepers: p_channel is its own channel, p_listener the backend that listens to it already.'
    ' Commit, and call freshness.settle before sleeping.';

create function freshness.stay_awake(p_channel text)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    update freshness.sleepers as s
    set asleep_until = clock_timestamp(), looked_at = clock_timestamp()
    where s.channel = p_channel;
end
$$;

comment on function freshness.stay_awake(text) is
    'Says that a worker is awake and looks again within a second, without being told; then it has to arm.';

create function freshness.hand_on(p_data_types text[])
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_type text;
begin
    foreach v_type in array coalesce(p_data_types, '{}') loop
        perform freshness.wake(v_type, freshness.next_due(array[v_type]));
    end loop;
end
$$;

comment on function freshness.hand_on(text[]) is
    'Wakes those who sleep past what is due next: for a worker that has no free slot, and may have kept the time.';

create function freshness.disarm(p_channel text)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_data_types text[];
begin
    delete from freshness.sleepers as s where s.channel = p_channel returning s.data_types into v_data_types;
    perform freshness.hand_on(v_data_types);
end
$$;

comment on function freshness.disarm(text) is
    'Takes a worker from the sleepers, because it has no free slot or leaves, and hands on keeping the time.';
