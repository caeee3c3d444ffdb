-- refresh_ahead => 'auto': so long before a row goes stale as its fetch will take, as far as recent ones tell.

create index events_measured on freshness.events (data_type, id) where is_measured;

create function freshness.measure_refresh_ahead(p_data_type text)
returns interval
language plpgsql
set search_path = pg_temp
as $$
declare
    v_measured interval := (
        select percentile_disc(0.95) within group (order by e.duration)
        from (
            select f.duration
            from freshness.events as f
            where f.data_type = p_data_type and f.is_measured
            order by f.id desc
            limit 200
        ) as e
    );
begin
    -- Small changes are noise. Whoever holds the row measures, or is changing it.
    update freshness.data_types as t
    set refresh_ahead = least(v_measured, t.ttl / 2)
    where
        t.name in (
            select d.name
            from freshness.data_types as d
            where
                d.name = p_data_type
                and d.refresh_ahead_is_auto
                and (least(v_measured, d.ttl / 2) between d.refresh_ahead * 0.9 and d.refresh_ahead * 1.1) is false
            for no key update skip locked
        );
    return v_measured;
end
$$;

comment on function freshness.measure_refresh_ahead(text) is
    'Sets the refresh_ahead of a data type that has auto to the 95th percentile of its last 200 successful fetches, at'
    ' most half of the ttl, and returns that percentile. Called by finish now and then.';
