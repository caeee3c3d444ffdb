-- The documents' own design, in our words: a function goes through the subscribed symbols, and for each through its
-- data types; for each pair one statement, made for it, inserts a job if the data is stale and none is pending. Each
-- step reads the subscriptions anew, the filters as text. At most 1,000 symbols and 50 seconds a run.
create schema documents;

create table documents.jobs (
    id bigint generated always as identity primary key,
    symbol text not null,
    data_type text not null,
    status text not null default 'pending',
    priority integer not null default 0,
    estimated_size_bytes bigint,
    created_at timestamptz not null default now()
);
create index jobs_pending on documents.jobs (symbol, data_type) where status in ('pending', 'processing');

create function documents.active_subscriptions()
returns table (viewer uuid, symbol text, data_type text)
language plpgsql
stable
set search_path = public
as $$
begin
    return query
    select
        (s.claims ->> 'sub')::uuid,
        substring(s.filters::text from 'symbol,eq,([^,)]+)'),
        case s.entity::text when 'bench_quotes' then 'bench_quote' end
    from realtime.subscription as s
    where s.filters::text like '%symbol,eq,%' and s.entity::text in ('bench_quotes');
end
$$;

create function documents.is_identifier(p_name text)
returns boolean
language plpgsql
immutable
as $$
begin
    return p_name ~ '^[a-z_][a-z0-9_.]*$';
end
$$;

create function documents.check_and_queue_stale_data()
returns integer
language plpgsql
as $$
declare
    v_began_at constant timestamptz := clock_timestamp();
    v_symbol text;
    v_type record;
    v_done integer := 0;
begin
    for v_symbol in select distinct a.symbol from documents.active_subscriptions() as a limit 1000 loop
        exit when clock_timestamp() > v_began_at + interval '50 seconds';
        for v_type in
            select distinct r.*
            from public.data_type_registry_v2 as r
            join documents.active_subscriptions() as a on a.symbol = v_symbol and a.data_type = r.data_type
        loop
            continue when not documents.is_identifier(v_type.table_name)
                or not documents.is_identifier(v_type.timestamp_column)
                or not documents.is_identifier(v_type.staleness_function);
            begin
                execute format(
                    $query$
                    insert into documents.jobs (symbol, data_type, priority, estimated_size_bytes)
                    select %1$L, %2$L, count(distinct a.viewer), %3$L::bigint
                    from documents.active_subscriptions() as a
                    left join %4$s as d on d.symbol = a.symbol
                    where
                        a.symbol = %1$L
                        and a.data_type = %2$L
                        and (d.symbol is null or %5$s(d.%6$I, %7$L::integer))
                        and not exists (
                            select from documents.jobs as j
                            where j.symbol = %1$L and j.data_type = %2$L and j.status in ('pending', 'processing')
                        )
                    group by a.symbol
                    having count(distinct a.viewer) > 0
                    on conflict do nothing
                    $query$,
                    v_symbol, v_type.data_type, v_type.estimated_data_size_bytes, v_type.table_name,
                    v_type.staleness_function, v_type.timestamp_column, v_type.default_ttl_minutes
                );
            exception
                when others then
                    continue;
            end;
            v_done := v_done + 1;
        end loop;
    end loop;
    return v_done;
end
$$;

-- The kindest reading of the same description: the subscriptions are read once, and the rest is as it is drawn: stale?
-- Then, if no job is pending, insert one.
create function documents.check_and_queue_reading_once()
returns integer
language plpgsql
as $$
declare
    v_key record;
    v_is_stale boolean;
    v_done integer := 0;
begin
    for v_key in
        select a.symbol, r.*
        from (select distinct s.symbol, s.data_type from documents.active_subscriptions() as s limit 1000) as a
        join public.data_type_registry_v2 as r on r.data_type = a.data_type
        order by a.symbol
    loop
        execute format(
            'select %s((select d.%I from %s as d where d.symbol = $1), $2)',
            v_key.staleness_function, v_key.timestamp_column, v_key.table_name
        ) into v_is_stale using v_key.symbol, v_key.default_ttl_minutes;
        if v_is_stale and not exists (
            select from documents.jobs as j
            where
                j.symbol = v_key.symbol and j.data_type = v_key.data_type and j.status in ('pending', 'processing')
        ) then
            insert into documents.jobs (symbol, data_type, estimated_size_bytes)
            values (v_key.symbol, v_key.data_type, v_key.estimated_data_size_bytes)
            on conflict do nothing;
        end if;
        v_done := v_done + 1;
    end loop;
    return v_done;
end
$$;
