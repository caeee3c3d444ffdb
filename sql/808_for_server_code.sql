-- What the documents' functions do, with our rights. It is in our schema, since a dump that is restored leaves all
-- functions in public open to browsers: so are Supabase's defaults of that schema, and no dump takes them back.

create function freshness.refresh_for_server(
    p_symbol text, p_data_type text, p_priority integer, p_estimated_size_bytes bigint
)
returns boolean
language plpgsql
security definer
set search_path = pg_temp
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

comment on function freshness.refresh_for_server(text, text, integer, bigint) is
    'Part of queue_refresh_if_not_exists_v2, with our rights.';

create function freshness.request_for_server(p_symbol text, p_data_types text[], p_priority integer)
returns integer
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    return (
        select count(r.symbol)
        from unnest(p_data_types) as k (data_type)
        join freshness.data_types as t on t.name = k.data_type
        cross join lateral freshness.request(t.name, array[p_symbol], false, p_priority) as r
    );
end
$$;

comment on function freshness.request_for_server(text, text[], integer) is
    'Part of check_and_queue_stale_batch_v2, with our rights.';

create function freshness.sweep_for_server()
returns integer
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    return (select coalesce(s.mended, 0) from freshness.sweep() as s);
end
$$;

comment on function freshness.sweep_for_server() is
    'Part of check_and_queue_stale_data_from_presence_v2, with our rights.';

create function freshness.subscriptions_for_server()
returns table (symbol text, data_type text, subscriptions bigint)
language plpgsql
stable
security definer
set search_path = pg_temp
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

comment on function freshness.subscriptions_for_server() is
    'Part of get_active_subscriptions_from_realtime, with our rights.';
