-- The way in without any code in the app. It runs inside Realtime's transaction: whatever goes wrong, the subscription
-- is stored, within 300 ms (two waits for a lock at most), and the reason is on record.
create function public.on_realtime_subscription_insert()
returns trigger
language plpgsql
security definer
set jit = off
set plan_cache_mode = force_generic_plan
-- Plans are kept: one made while our tables are small must not read all of them when they have grown.
set enable_hashjoin = off
set enable_material = off
set enable_mergejoin = off
set enable_seqscan = off
set search_path = ''
set lock_timeout = '100ms'
as $$
declare
    v_rows bigint[] := array(select i.id from inserted as i);
    v_is_done boolean := false;
    v_reason text;
begin
    if cardinality(v_rows) = 1 then
        select freshness.watch_plain_subscription(i.id, i.subscription_id, i.entity, to_jsonb(i.filters))
        into v_is_done
        from inserted as i;
    end if;
    if cardinality(v_rows) > 0 and not v_is_done then
        perform freshness.watch_subscriptions(v_rows);
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
