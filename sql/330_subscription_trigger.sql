-- The way in without any code in the app. It runs inside Realtime's transaction: whatever goes wrong, the subscription
-- is stored, within 300 ms, and the reason is on record.
--
-- Nearly every statement brings one subscription with one filter "symbol=eq.AAPL". Its key goes by a short way, since
-- the subscriber waits: no set, and no function. All others go by watch_subscriptions.
create function freshness.define_subscription_trigger(p_waits boolean default true)
returns boolean
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_template constant text := $body$
<<k>>
declare
    v_row record;
    v_is_one boolean := false;
    symbol text;
    t record;
    v_now timestamptz;
    v_stored_at timestamptz;
    v_fresh_until timestamptz;
    v_refresh_at timestamptz;
    v_run_at timestamptz;
    v_is_added boolean;
    v_reason text;
begin
    select
        i.id, i.subscription_id, i.entity, i.entity::text as data_table,
        case when cardinality(i.filters) = 1 then to_jsonb(i.filters[1]) end as filter,
        exists (select from inserted as o offset 1) as are_many
    into v_row
    from inserted as i
    limit 1;
    v_is_one := v_row.are_many is false;
    if v_row.are_many then
        perform freshness.watch_subscriptions(array(select i.id from inserted as i));
        return null;
    end if;%s
    -- Anything else, such as a table that was renamed, a partition, or symbols of another type.
    perform
    from freshness.data_types as d
    where d.data_table in (v_row.entity, pg_catalog.pg_partition_root(v_row.entity));
    if found then
        perform freshness.watch_subscriptions(array[v_row.id]);
    end if;
    return null;
exception
    when others or assert_failure then
        v_reason := sqlstate || ' ' || sqlerrm;
        begin
            perform freshness.watch_later(
                array(select i.id from inserted as i), v_reason, v_is_one and sqlstate <> '55P03'
            );
        exception
            when others or assert_failure then
                raise warning 'freshness: a subscription was not noticed: %%', v_reason
                    using hint = 'The sweep finds it if the tables of schema freshness are there;'
                    ' run the migrations if not.';
        end;
        return null;
end
$body$;
begin
    if exists (
        select from pg_catalog.pg_proc as f
        where
            f.oid = to_regprocedure('public.on_realtime_subscription_insert()')
            and f.prosrc = format(v_template, freshness.watch_subscribed_keys())
    ) then
        return false;
    end if;
    -- One at a time, each with what the one before it has registered.
    if p_waits then
        perform pg_advisory_xact_lock(hashtext('freshness.define_subscription_trigger'));
    elsif not pg_try_advisory_xact_lock(hashtext('freshness.define_subscription_trigger')) then
        return false;
    end if;
    -- Plans are kept: one made while a table is small must not read all of it when it has grown. What has no index then
    -- looks dear enough to be compiled.
    execute format(
        'create or replace function public.on_realtime_subscription_insert() returns trigger language plpgsql'
        ' security definer set jit = off set enable_seqscan = off set search_path = pg_temp set lock_timeout = ''100ms'''
        ' as %L; revoke all on function public.on_realtime_subscription_insert() from public',
        format(v_template, freshness.watch_subscribed_keys())
    );
    return true;
end
$define$;

comment on function freshness.define_subscription_trigger(boolean) is
    'Writes the function of our trigger on realtime.subscription for the tables that are registered, if it differs;'
    ' says whether it did. p_waits false: not while somebody else does.';

select freshness.define_subscription_trigger();

comment on function public.on_realtime_subscription_insert() is
    'Trigger function on realtime.subscription, after insert for each statement: watches the keys that new'
    ' subscriptions name. Never fails the insert: what could not be done goes to freshness.pulls, and failing that to'
    ' the server log. Written anew when data types change.';
