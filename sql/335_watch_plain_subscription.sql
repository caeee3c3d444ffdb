-- Nearly every subscription is one filter "symbol=eq.AAPL". Its key goes by a short way, since the subscriber waits:
-- it adds less than half of what watch_subscriptions adds to the statement. Both leave the same watch, job and pull.
create function freshness.watch_plain_subscription(
    p_row bigint,
    p_subscription_id uuid,
    p_entity regclass,
    p_filters jsonb
)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    v_found record;
    v_type freshness.data_types;
    v_job freshness.jobs;
    v_symbol text;
    v_now timestamptz;
    v_times timestamptz[];
    v_run_at timestamptz;
begin
    for v_found in
        select
            t as registered,
            (
                select a.atttypid in ('text'::regtype, 'varchar'::regtype) from pg_catalog.pg_attribute as a
                where a.attrelid = t.data_table and a.attname = t.symbol_column and not a.attisdropped
            ) as is_text
        from freshness.data_types as t
        where t.data_table in (p_entity, pg_catalog.pg_partition_root(p_entity))
        order by t.name
    loop
        v_type := v_found.registered;
        if v_type.symbol_column is null then
            v_symbol := 'GLOBAL';
        elsif
            v_found.is_text
            and jsonb_array_length(p_filters) = 1
            and p_filters #>> '{0,column_name}' = v_type.symbol_column
            and p_filters #>> '{0,op}' = 'eq'
            and not coalesce((p_filters #>> '{0,negate}')::boolean, false)
            and length(p_filters #>> '{0,value}') between 1 and 200
        then
            v_symbol := p_filters #>> '{0,value}';
        else
            return false;
        end if;

        insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
        values (v_type.name, v_symbol, 'realtime:' || p_row, p_row, p_subscription_id)
        on conflict (data_type, symbol, watcher) do update set subscription_id = excluded.subscription_id
        where watches.subscription_id <> excluded.subscription_id;
        continue when not found;

        select j.* into v_job from freshness.jobs as j where j.data_type = v_type.name and j.symbol = v_symbol;
        v_now := clock_timestamp();
        begin
            execute format('select freshness.%I($1, $2, $3)', 'look_' || v_type.name)
                into v_times using v_symbol, v_type, v_job;
        exception
            -- One wait for a data table's lock is enough: the caller leaves the rest to the next claim. Any other
            -- problem is the claim's to name.
            when lock_not_available then
                raise;
            when others then
                v_times := null;
        end;
        v_run_at := greatest(v_times[3], v_now);

        if v_job.symbol is null then
            insert into freshness.jobs (data_type, symbol, priority, run_at, stored_at, fresh_until, estimated_size_bytes)
            values (
                v_type.name, v_symbol, v_type.priority, v_run_at, v_times[1], v_times[2],
                v_type.estimated_size_bytes
            )
            on conflict do nothing;
        end if;
        if v_job.symbol is not null or not found then
            insert into freshness.pulls (data_type, symbol, reason) values (v_type.name, v_symbol, 'watched');
            continue when v_job.state = 'running' or (v_job.run_at <= v_now and v_job.due_at > v_now);
            -- One that is due may be going away at this very moment: then only the pull is left of it.
            v_run_at := case when v_job.due_at <= v_now then v_now else v_run_at end;
        end if;
        -- Farther moments need nobody to wake, and then the call is saved.
        if v_run_at < v_now + interval '1 minute' then
            perform freshness.wake(v_type.name, v_run_at);
        end if;
    end loop;
    return true;
end
$$;

comment on function freshness.watch_plain_subscription(bigint, uuid, regclass, jsonb) is
    'Records the watches of one row of realtime.subscription (p_filters: its filters as json) and schedules its keys,'
    ' as freshness.watch_subscriptions and freshness.schedule do. False when it is not plain, and then'
    ' watch_subscriptions reads it: more filters than one eq on the symbol column, or a symbol that needs a cast.';
