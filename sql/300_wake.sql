-- Called after the statement that wrote the job, as a statement of its own: so whoever writes has a transaction id
-- before this reads who is asleep, and a worker that is just falling asleep waits for it (freshness.settle). Proof and
-- costs: docs/waking.md.
create function freshness.wake(p_data_type text, p_run_at timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_channel text;
    v_asleep_until timestamptz;
    v_listener integer;
begin
    -- Every worker looks at the latest half a minute after its last look: no signal for what is further away.
    if p_run_at > clock_timestamp() + interval '35 seconds' then
        return;
    elsif current_setting('transaction_isolation') <> 'read committed' then
        -- What this transaction sees may be old: tell all.
        perform pg_notify('freshness_work', p_run_at::text);
        return;
    end if;

    -- The earliest sleeper keeps the time for all. One that is overdue is awake, and looks before it sleeps again; one
    -- that is overdue for long, or has not looked for long, is dead.
    select s.channel, s.asleep_until, s.listener into v_channel, v_asleep_until, v_listener
    from freshness.sleepers as s
    where
        p_data_type = any (s.data_types)
        and s.asleep_until > clock_timestamp() - interval '2 seconds'
        and s.looked_at > clock_timestamp() - interval '65 seconds'
    order by s.asleep_until
    limit 1;

    -- Mostly nobody sleeps that long: a statement of its own, since the rest costs as much again just to be set up.
    if (v_asleep_until > p_run_at) is not true then
        return;
    end if;

    -- Whoever found the source's budget used up wakes when it opens again.
    if
        not exists (
            select
            from freshness.data_types as t
            join freshness.sources as s on s.name = t.source
            where t.name = p_data_type and s.opens_at > greatest(p_run_at, clock_timestamp())
        )
    then
        -- Asked only now, and of this one only: it costs more than all else here. What is told to the dead is lost.
        if not exists (select from pg_catalog.pg_stat_get_activity(v_listener)) then
            select s.channel into v_channel
            from freshness.sleepers as s
            where
                p_data_type = any (s.data_types)
                and s.asleep_until > greatest(p_run_at, clock_timestamp() - interval '2 seconds')
                and s.looked_at > clock_timestamp() - interval '65 seconds'
                and exists (select from pg_catalog.pg_stat_get_activity(s.listener))
            order by s.asleep_until
            limit 1;
        end if;
        perform pg_notify(v_channel, p_run_at::text) where v_channel is not null;
    end if;
end
$$;

comment on function freshness.wake(text, timestamptz) is
    'Tells the sleeper that keeps the time for a data type, once this transaction commits, that something is due at'
    ' p_run_at; nobody when it wakes by then anyway, or when all are awake. The payload is that moment. A hint only:'
    ' whoever misses it looks within half a minute.';
