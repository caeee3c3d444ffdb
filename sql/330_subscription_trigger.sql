-- The way in without any code in the app. It runs inside Realtime's transaction: whatever goes wrong, the subscription
-- is stored, within 300 ms, and the reason is on record.
--
-- Nearly every statement brings one subscription with one filter "symbol=eq.AAPL". Its key goes by a short way, since
-- the subscriber waits: no set, and no function but the look. All others go by watch_subscriptions.
create function public.on_realtime_subscription_insert()
returns trigger
language plpgsql
security definer
-- Plans are kept: one made while our tables are small must not read all of them when they have grown. What has no index
-- then looks dear enough to be compiled.
set jit = off
set enable_seqscan = off
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
    v_row record;
    v_is_one boolean := false;
    v_type freshness.data_types;
    v_job freshness.jobs;
    v_symbol text;
    v_now timestamptz;
    v_times timestamptz[];
    v_run_at timestamptz;
    v_reason text;
begin
    perform from inserted as i offset 1 limit 1;
    if found then
        perform freshness.watch_subscriptions(array(select i.id from inserted as i));
        return null;
    end if;
    v_is_one := true;
    select
        i.id, i.subscription_id, i.entity,
        case when cardinality(i.filters) = 1 then to_jsonb(i.filters[1]) end as filter
    into v_row
    from inserted as i;

    foreach v_type in array array(
        select t
        from freshness.data_types as t
        where t.data_table in (v_row.entity, pg_catalog.pg_partition_root(v_row.entity))
        order by t.name
    ) loop
        if v_type.symbol_column is null then
            v_symbol := 'GLOBAL';
        elsif
            v_type.symbol_is_text
            and v_row.filter ->> 'column_name' = v_type.symbol_column
            and v_row.filter ->> 'op' = 'eq'
            and coalesce(v_row.filter ->> 'negate', 'false') = 'false'
            and length(v_row.filter ->> 'value') between 1 and 200
        then
            v_symbol := v_row.filter ->> 'value';
        else
            perform freshness.watch_subscriptions(array[v_row.id]);
            return null;
        end if;

        -- The row's id is new, and so its watch: the long way knows what to do if not.
        insert into freshness.watches (data_type, symbol, watcher, subscription_row, subscription_id)
        values (v_type.name, v_symbol, 'realtime:' || v_row.id, v_row.id, v_row.subscription_id);
        select j.* into v_job from freshness.jobs as j where j.data_type = v_type.name and j.symbol = v_symbol;
        execute format('select freshness.%I($1, $2, $3)', 'look_' || v_type.name)
            into v_times using v_symbol, v_type, v_job;
        v_now := clock_timestamp();
        v_run_at := greatest(v_times[3], v_now);

        if v_job.symbol is null then
            insert into freshness.jobs (data_type, symbol, priority, run_at, stored_at, fresh_until, estimated_size_bytes)
            values (
                v_type.name, v_symbol, v_type.priority, v_run_at, v_times[1], v_times[2], v_type.estimated_size_bytes
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
    return null;
exception
    when others then
        v_reason := sqlstate || ' ' || sqlerrm;
        begin
            perform freshness.watch_later(
                array(select i.id from inserted as i), v_reason, v_is_one and sqlstate <> '55P03'
            );
        exception
            when others then
                raise warning 'freshness: a subscription was not noticed: %', v_reason
                    using hint = 'The sweep finds it if the tables of schema freshness are there;'
                    ' run the migrations if not.';
        end;
        return null;
end
$$;

comment on function public.on_realtime_subscription_insert() is
    'Trigger function on realtime.subscription, after insert for each statement: watches the keys that new'
    ' subscriptions name. Never fails the insert: what could not be done goes to freshness.pulls, and failing that to'
    ' the server log.';
