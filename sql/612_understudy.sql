-- Whoever keeps the time may be killed, and then nobody hears of it. So one of those that sleep on wakes a second later
-- than the timekeeper should have, for itself: writers need not know, so nothing is written down.
create function freshness.understudy_until(p_channel text, p_worker bigint, p_data_types text[])
returns timestamptz
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    if exists (
        select from freshness.sleepers as s
        where
            s.channel < p_channel
            and s.data_types @> p_data_types
            and s.asleep_until = 'infinity'
            and s.looked_at > clock_timestamp() - interval '65 seconds'
    ) then
        return null;
    end if;
    return least(
        freshness.next_due(p_data_types) + interval '1 second',
        -- Nobody can be relied on to notice its own death.
        freshness.next_missed_heartbeat(p_worker),
        -- What it ran when it called may be over; the next is near, and need not call again.
        (
            select min(w.seen_at + w.heartbeat_limit)
            from freshness.workers as w
            where
                w.id <> p_worker
                -- A claim need not have written down that it was heard of.
                and w.seen_at > clock_timestamp() - interval '1 second' - least(w.heartbeat_limit / 8, interval '5 seconds')
        )
    );
end
$$;

comment on function freshness.understudy_until(text, bigint, text[]) is
    'When a worker that leaves the time to another one looks whether that one still lives; null: somebody else does, or'
    ' nothing is known to be due.';

create function freshness.call_understudy(p_worker bigint, p_data_types text[])
returns void
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_dead_at timestamptz := (select v_now + w.heartbeat_limit from freshness.workers as w where w.id = p_worker);
    v_channel text;
begin
    -- No signal for what is further away than a look.
    if v_dead_at > v_now + interval '35 seconds' or exists (
        select from freshness.sleepers as s
        where
            s.worker <> p_worker
            and s.data_types @> p_data_types
            and least(s.asleep_until, s.rings_at) between v_now and v_dead_at + interval '1 second'
            and s.looked_at > v_now - interval '65 seconds'
    ) then
        return;
    end if;
    select s.channel into v_channel
    from freshness.sleepers as s
    where
        s.worker <> p_worker
        and s.data_types @> p_data_types
        and s.asleep_until > v_now
        and s.looked_at > v_now - interval '65 seconds'
    order by s.channel
    limit 1;
    if found then
        perform pg_notify(v_channel, v_dead_at::text);
    end if;
end
$$;

comment on function freshness.call_understudy(bigint, text[]) is
    'Part of claim: tells one of the sleepers when this worker, which runs something now, will have missed its'
    ' heartbeat if it dies; nobody when one of them looks by then anyway.';
