create function freshness.end_watches()
returns integer
language plpgsql
set search_path = ''
as $$
declare
    v_now timestamptz := clock_timestamp();
    v_ended integer;
begin
    with over as materialized (
        select w.ctid as place from freshness.watches as w where w.lease_until <= v_now for update skip locked
    )

    delete from freshness.watches as w using over as o where w.ctid = o.place;
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
set search_path = ''
as $$
declare
    v_ended integer;
begin
    if to_regclass('realtime.subscription') is null then
        delete from freshness.watches as w where w.subscription_row is not null;
    else
        with over as materialized (
            select w.ctid as place
            from freshness.watches as w
            where
                w.subscription_row is not null
                and not exists (
                    select from realtime.subscription as s
                    where s.id = w.subscription_row and s.subscription_id = w.subscription_id
                )
            for update skip locked
        )

        delete from freshness.watches as w using over as o where w.ctid = o.place;
    end if;
    get diagnostics v_ended = row_count;
    return v_ended;
end
$$;

comment on function freshness.end_subscriptions() is
    'Removes watches whose subscription is gone, and returns their number.';
