create function freshness.end_watches()
returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_leases integer;
    v_subscriptions integer;
begin
    delete from freshness.watches as w where w.lease_until <= v_now;
    get diagnostics v_leases = row_count;
    if to_regclass('realtime.subscription') is null then
        delete from freshness.watches as w where w.subscription_row is not null;
    else
        delete from freshness.watches as w
        where
            w.subscription_row is not null
            and not exists (
                select from realtime.subscription as s
                where s.id = w.subscription_row and s.subscription_id = w.subscription_id
            );
    end if;
    get diagnostics v_subscriptions = row_count;
    return v_leases + v_subscriptions;
end
$$;

comment on function freshness.end_watches() is
    'Removes leases that have ended and watches whose subscription is gone, and returns their number.';

create function freshness.forget_unregistered()
returns void
language sql
set search_path = ''
as $$
    delete from freshness.jobs as j
    where not exists (select from freshness.data_types as t where t.name = j.data_type);
    delete from freshness.watches as w
    where not exists (select from freshness.data_types as t where t.name = w.data_type);
    insert into freshness.events (kind, data_type, message)
    select 'error', t.name, 'its data table was dropped: register it again'
    from freshness.data_types as t
    where not exists (select from pg_catalog.pg_class as c where c.oid = t.data_table)
$$;

comment on function freshness.forget_unregistered() is
    'Removes what is left of data types that are not registered, and puts those whose table was dropped on record.';
