-- The documents' own design, as they describe it: each minute a function reads the subscriptions, and goes through
-- them symbol by symbol and data type by data type; for each it reads the subscriptions again to see whether the pair
-- is watched, asks whether the data is stale, looks for a pending job, and inserts one when there is none.
create schema documents;

create table documents.jobs (
    id bigint generated always as identity primary key,
    symbol text not null,
    data_type text not null,
    status text not null default 'pending',
    priority integer not null default 0,
    created_at timestamptz not null default now()
);
create index jobs_pending on documents.jobs (symbol, data_type) where status in ('pending', 'processing');

create function documents.active_subscriptions()
returns table (symbol text, data_type text, subscriptions bigint)
language sql
stable
-- As it has to be for a role that may not read the subscriptions; so it is read in full each time.
security definer
as $$
    select f.value, r.data_type, count(*)
    from realtime.subscription as s
    cross join unnest(s.filters) as f
    join public.data_type_registry_v2 as r on r.table_name::regclass = s.entity
    where f.column_name = 'symbol' and f.op = 'eq'
    group by f.value, r.data_type
$$;

create function documents.queue_refresh_if_not_exists(p_symbol text, p_data_type text, p_priority integer)
returns boolean
language plpgsql
as $$
begin
    if exists (
        select from documents.jobs as j
        where j.symbol = p_symbol and j.data_type = p_data_type and j.status in ('pending', 'processing')
    ) then
        return false;
    end if;
    insert into documents.jobs (symbol, data_type, priority) values (p_symbol, p_data_type, p_priority)
    on conflict do nothing;
    return true;
end
$$;

create function documents.check_and_queue_stale_data()
returns integer
language plpgsql
as $$
declare
    v_symbol text;
    v_type record;
    v_is_stale boolean;
    v_queued integer := 0;
begin
    for v_symbol in select distinct a.symbol from documents.active_subscriptions() as a loop
        for v_type in
            select r.* from public.data_type_registry_v2 as r
            where r.data_type in (select a.data_type from documents.active_subscriptions() as a where a.symbol = v_symbol)
        loop
            execute format(
                'select %s((select d.%I from %s as d where d.symbol = $1), $2)',
                v_type.staleness_function, v_type.timestamp_column, v_type.table_name
            ) into v_is_stale using v_symbol, v_type.default_ttl_minutes;
            if v_is_stale and documents.queue_refresh_if_not_exists(v_symbol, v_type.data_type, 0) then
                v_queued := v_queued + 1;
            end if;
        end loop;
    end loop;
    return v_queued;
end
$$;
