create function freshness.end_watches()
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_ended integer;
begin
    delete from freshness.watches as w
    where w.ctid = any (array(
        select o.ctid from freshness.watches as o where o.lease_until <= v_now for update skip locked
    ));
    get diagnostics v_ended = row_count;
    return v_ended + freshness.end_subscriptions();
end
$$;

comment on function freshness.end_watches() is
    'Removes leases that have ended and watches whose subscription is gone, and returns their number. Passes over'
    ' watches that somebody holds.';

create function freshness.end_subscriptions()
returns integer
language plpgsql
set search_path = pg_temp
-- All are compared with all, however few the planner takes them for.
set enable_nestloop = off
as $$
declare
    v_ended integer;
begin
    if to_regclass('realtime.subscription') is null then
        delete from freshness.watches as w where w.subscription_row is not null;
    else
        delete from freshness.watches as w
        where w.ctid = any (array(
            select o.ctid
            from freshness.watches as o
            where
                o.subscription_row is not null
                and not exists (
                    select from realtime.subscription as s
                    where s.id = o.subscription_row and s.subscription_id = o.subscription_id
                )
            for update skip locked
        ));
    end if;
    get diagnostics v_ended = row_count;
    return v_ended;
end
$$;

comment on function freshness.end_subscriptions() is
    'Removes watches whose subscription is gone, and returns their number.';
