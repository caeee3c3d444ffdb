-- Supabase does not promise that the platform's table may have a trigger: everything works without it, more slowly.
create function freshness.attach_subscription_trigger()
returns boolean
language plpgsql
set search_path = pg_temp
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
