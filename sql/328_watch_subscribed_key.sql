-- What the trigger on realtime.subscription does for a table that is registered. Written for it, so that its statements
-- stay planned: put together at run time they would be planned for each subscriber, and functions called by a name
-- from the registry cost as much.
--
-- Most keys are fresh when somebody subscribes to them. Then nothing has to happen soon, and the subscriber waits for a
-- line in the inbox only. Such lines wait five seconds for others; the next claim after that, half a minute later at
-- most, watches the keys and gives them their jobs.
create function freshness.watch_subscribed_key(p_type freshness.data_types, p_is_only boolean)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format(
        $body$
        symbol := %2$s;
        -- The registry has the last word on what this table holds.
        select
            s.ttl, s.refresh_ahead, s.jitter, s.priority, s.estimated_size_bytes,
            o.symbol as job, o.state, o.run_at, o.due_at, o.stored_at, o.verified_at
        into t
        from freshness.data_types as s
        left join freshness.jobs as o on o.data_type = %1$L and o.symbol = k.symbol
        where s.name = %1$L and s.data_table = v_row.entity;
        if not found or k.symbol is null then
            perform freshness.watch_subscriptions(array[v_row.id]);
            return null;
        end if;%3$s%4$s
        -- The row's id is new, and so its watch: the long way knows what to do if not.
        insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
        values (%1$L, k.symbol, 'realtime:' || v_row.id, v_row.id, v_row.subscription_id);
        v_run_at := greatest(v_refresh_at, v_now);
        v_is_added := false;
        if t.job is null then
            insert into freshness.jobs (data_type, symbol, priority, run_at, stored_at, fresh_until, estimated_size_bytes)
            values (%1$L, k.symbol, t.priority, v_run_at, v_stored_at, v_fresh_until, t.estimated_size_bytes)
            on conflict do nothing;
            v_is_added := found;
        end if;
        if not v_is_added then
            insert into freshness.pulls (data_type, symbol, reason) values (%1$L, k.symbol, 'watched');
            v_run_at := case
                when t.state = 'running' or (t.run_at <= v_now and t.due_at > v_now) then null
                -- One that is due may be going away at this very moment: then only the pull is left of it.
                when t.due_at <= v_now then v_now
                else v_run_at
            end;
        end if;
        -- Farther moments need nobody to wake, and then the call is saved.
        if v_is_added and v_run_at <= v_now then
            perform freshness.hand_over(%1$L, k.symbol, 1);
        elsif v_run_at < v_now + interval '1 minute' then
            perform freshness.wake(%1$L, v_run_at);
        end if;$body$,
        p_type.name,
        case
            when p_type.symbol_column is null then '''GLOBAL'''
            else format(
                'case when v_row.filter ->> ''column_name'' = %L and v_row.filter ->> ''op'' = ''eq'''
                ' and coalesce(v_row.filter ->> ''negate'', ''false'') = ''false'''
                ' and length(v_row.filter ->> ''value'') between 1 and 200 then v_row.filter ->> ''value'' end',
                p_type.symbol_column
            )
        end,
        freshness.look_at_key(p_type),
        -- A line of the inbox stands for all data types of its table.
        case when p_is_only then e'
        if v_refresh_at > v_now + interval ''1 minute'' then
            insert into freshness.pulls (due_at, subscription_row, reason)
            values (
                -- A job that is due soon may be about to go away, since nobody has watched its key.
                v_now + case when t.due_at <= v_now + interval ''10 seconds'' then 0 else 5 end * interval ''1 second'',
                v_row.id, ''fresh''
            );
            return null;
        end if;' end
    );
end
$define$;

comment on function freshness.watch_subscribed_key(freshness.data_types, boolean) is
    'PL/pgSQL that watches the key of one new subscription, v_row, and gives it its job. Leaves the trigger by'
    ' watch_subscriptions when the filter names anything but one key, and by a pull when the key is fresh for a minute'
    ' and this is the only data type of its table.';
