-- The way in without any code in the app. It runs inside Realtime's transaction: whatever goes wrong, the subscription
-- is stored, within 300 ms (two waits for a lock at most), and the reason is on record.
create function public.on_realtime_subscription_insert()
returns trigger
language plpgsql
security definer
set jit = off
set plan_cache_mode = force_generic_plan
-- Plans are kept: one made while our tables are small must not read all of them when they have grown.
set enable_seqscan = off
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
    v_row record;
    v_rows integer := 0;
    v_reason text;
begin
    -- Realtime inserts one row in each statement, except for a subscription to several tables.
    for v_row in
        select i.id, i.subscription_id, i.entity, to_jsonb(i.filters) as filters from inserted as i limit 2
    loop
        v_rows := v_rows + 1;
    end loop;
    if
        v_rows > 1
        or v_rows = 1 and not freshness.watch_plain_subscription(
            v_row.id, v_row.subscription_id, v_row.entity, v_row.filters
        )
    then
        perform freshness.watch_subscriptions(array(select i.id from inserted as i));
    end if;
    return null;
exception
    when others then
        v_reason := sqlstate || ' ' || sqlerrm;
        begin
            insert into freshness.pulls (subscription_row, reason)
            select i.id, v_reason from inserted as i;
            perform pg_notify('freshness_work', clock_timestamp()::text);
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

create function freshness.attach_subscription_trigger()
returns boolean
language plpgsql
set search_path = ''
set lock_timeout = '2s'
as $$
begin
    if to_regclass('realtime.subscription') is null then
        raise notice
            'freshness: realtime.subscription is not there; watches come from leases until Realtime is switched on';
        return false;
    end if;
    create or replace trigger on_realtime_subscription_insert_trigger
    after insert on realtime.subscription
    referencing new table as inserted
    for each statement execute function public.on_realtime_subscription_insert();
    return true;
exception
    when others then
        raise warning 'freshness: no trigger on realtime.subscription: %', sqlerrm
            using hint = 'The sweep finds new subscriptions within 5 minutes;'
            ' cards that call on-card-add are not affected.';
        return false;
end
$$;

comment on function freshness.attach_subscription_trigger() is
    'Puts our trigger on realtime.subscription, or puts it back. False when that is not allowed or Realtime is off:'
    ' everything still works, with new subscriptions found by the sweep.';

select freshness.attach_subscription_trigger();
