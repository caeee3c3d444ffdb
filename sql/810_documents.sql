-- The names and signatures that the design documents promise, thin over schema freshness.

create function public.is_data_stale_v2(p_timestamp timestamptz, p_ttl_minutes integer)
returns boolean
language sql
stable
set search_path = pg_temp
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
language sql
set search_path = pg_temp
return freshness.refresh_for_server(p_symbol, p_data_type, p_priority, p_estimated_size_bytes);

comment on function public.queue_refresh_if_not_exists_v2(text, text, integer, bigint) is
    'Queues a refresh of one key, fresh or not, unless one is running. True when it is queued. FR001: unknown data'
    ' type.';

create function public.check_and_queue_stale_batch_v2(p_symbol text, p_data_types text[], p_priority integer default 1)
returns integer
language sql
set search_path = pg_temp
return freshness.request_for_server(p_symbol, p_data_types, p_priority);

comment on function public.check_and_queue_stale_batch_v2(text, text[], integer) is
    'Queues those data types of a symbol whose data is stale or missing; returns how many jobs were made or moved.'
    ' Unknown data types are passed over.';

create function public.check_and_queue_stale_data_from_presence_v2()
returns integer
language sql
set search_path = pg_temp
return freshness.sweep_for_server();

comment on function public.check_and_queue_stale_data_from_presence_v2() is
    'The sweep, by the documents'' name: returns the number of watches and jobs that it had to mend.';

create function public.get_active_subscriptions_from_realtime()
returns table (symbol text, data_type text, subscriptions bigint)
language sql
stable
set search_path = pg_temp
as $$
    select s.symbol, s.data_type, s.subscriptions from freshness.subscriptions_for_server() as s
$$;

comment on function public.get_active_subscriptions_from_realtime() is
    'Keys that Realtime subscriptions watch now, with the number of subscriptions. Empty when Realtime is off.';
