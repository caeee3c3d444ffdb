-- The registry under the name and with the columns that the design documents promise.
do $$
begin
    if to_regclass('public.data_type_registry_v2') is not null then
        raise warning 'public.data_type_registry_v2 exists and is left alone'
            using hint = 'The registry is freshness.data_types; drop or rename yours to get the view of that name.';
        return;
    end if;
    create view public.data_type_registry_v2 with (security_invoker = true) as
    select
        t.name as data_type,
        t.data_table::text as table_name,
        coalesce(t.staleness_function, 'public.is_data_stale_v2') as staleness_function,
        t.timestamp_column,
        ceil(extract(epoch from t.ttl) / 60)::integer as default_ttl_minutes,
        t.estimated_size_bytes as estimated_data_size_bytes
    from freshness.data_types as t;
    comment on view public.data_type_registry_v2 is 'The registry of data types with the documents'' columns.';
    revoke all on public.data_type_registry_v2 from public;
end
$$;
