-- The names and signatures that the design documents promise, thin over schema freshness.

create function public.is_data_stale_v2(p_timestamp timestamptz, p_ttl_minutes integer)
returns boolean
language sql
stable
set search_path = ''
as $$
    select coalesce(p_timestamp + make_interval(mins => p_ttl_minutes) <= clock_timestamp(), true)
$$;

comment on function public.is_data_stale_v2(timestamptz, integer) is
    'Whether data with this timestamp and a time-to-live in minutes is stale now. Unknown times are stale.';

create function public.queue_refresh_if_not_exists_v2(
    p_symbol text,
    p_data_type text,
    p_priority integer default 0,
    p_estimated_size_bytes bigint default null
)
returns boolean
language plpgsql
security definer
set search_path = ''
as $$
begin
    if exists (
        select from freshness.canonical_symbols(p_data_type, array[p_symbol]) as c
        join freshness.jobs as j on j.data_type = p_data_type and j.symbol = c.symbol and j.state = 'running'
    ) then
        return false;
    end if;
    return exists (
        select from freshness.request(p_data_type, array[p_symbol], true, p_priority, p_estimated_size_bytes)
    );
end
$$;

comment on function public.queue_refresh_if_not_exists_v2(text, text, integer, bigint) is
    'Queues a refresh of one key, fresh or not, unless one is running. True when it is queued. FR001: unknown data'
    ' type.';

create function public.check_and_queue_stale_batch_v2(p_symbol text, p_data_types text[], p_priority integer default 1)
returns integer
language sql
security definer
set search_path = ''
as $$
    select count(r.symbol)::integer
    from unnest(p_data_types) as k (data_type)
    join freshness.data_types as t on t.name = k.data_type
    cross join lateral freshness.request(t.name, array[p_symbol], false, p_priority) as r
$$;

comment on function public.check_and_queue_stale_batch_v2(text, text[], integer) is
    'Queues those data types of a symbol whose data is stale or missing; returns how many jobs were made or moved.'
    ' Unknown data types are passed over.';

create function public.check_and_queue_stale_data_from_presence_v2()
returns integer
language sql
security definer
set search_path = ''
as $$
    select coalesce((s).mended, 0) from freshness.sweep() as s
$$;

comment on function public.check_and_queue_stale_data_from_presence_v2() is
    'The sweep, by the documents'' name: returns the number of watches and jobs that it had to mend.';

create function public.get_active_subscriptions_from_realtime()
returns table (symbol text, data_type text, subscriptions bigint)
language plpgsql
stable
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
    if to_regclass('realtime.subscription') is null then
        return;
    end if;
    return query
    select k.symbol, k.data_type, count(distinct k.subscription_row)
    from freshness.subscribed_keys(array(select s.id from realtime.subscription as s)) as k
    where k.symbol is not null
    group by k.symbol, k.data_type;
end
$$;

comment on function public.get_active_subscriptions_from_realtime() is
    'Keys that Realtime subscriptions watch now, with the number of subscriptions. Empty when Realtime is off.';
