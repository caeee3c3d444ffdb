create function freshness.define_look(p_data_type text)
returns void
language plpgsql
set search_path = ''
as $define$
declare
    v_type freshness.data_types;
    v_timestamp text;
    v_ttl text;
    v_where text := 'true';
    v_deadline text := 'd.counted_at + d.ttl';
    v_symbol_type text;
begin
    select * into strict v_type from freshness.data_types as t where t.name = p_data_type;

    select freshness.timestamp_expression(a.atttypid, v_type.time_zone, format('r.%I', a.attname))
    into strict v_timestamp
    from pg_catalog.pg_attribute as a
    where a.attrelid = v_type.data_table and a.attname = v_type.timestamp_column and not a.attisdropped;

    v_ttl := freshness.ttl_expression((
        select a.atttypid from pg_catalog.pg_attribute as a
        where a.attrelid = v_type.data_table and a.attname = v_type.ttl_column and not a.attisdropped
    ), 'r.' || quote_ident(v_type.ttl_column));

    if v_type.symbol_column is not null then
        select format_type(a.atttypid, -1) into strict v_symbol_type
        from pg_catalog.pg_attribute as a
        where a.attrelid = v_type.data_table and a.attname = v_type.symbol_column and not a.attisdropped;
        v_where := format('r.%I = k.symbol::%s', v_type.symbol_column, v_symbol_type);
    end if;

    if v_type.deadline_function is not null then
        v_deadline := format('%s(d.counted_at, d.ttl)', v_type.deadline_function);
    end if;
    if v_type.staleness_function is not null then
        -- It only says whether, not when: asked at the deadline, and again a minute later when it said no.
        v_deadline := format(
            'case when %s(d.counted_at, (extract(epoch from d.ttl) / 60)::integer)'
            ' then least(%2$s, clock_timestamp()) else greatest(%2$s, clock_timestamp() + interval ''1 minute'') end',
            v_type.staleness_function, v_deadline
        );
    end if;

    -- A timestamp far in the future, or infinite, is passed over, so that it cannot hide that the data is old. And what
    -- a fetch has verified counts only while the rows are those, not when they were deleted or went back.
    execute format(
        $sql$
        create or replace function freshness.%1$I(p_symbols text[], p_verified_at timestamptz)
        returns table (
            symbol text, present boolean, stored_at timestamptz, fresh_until timestamptz, refresh_at timestamptz
        )
        language plpgsql
        stable
        rows 10
        set search_path = ''
        as $function$
        begin
            return query
            select
                k.symbol,
                coalesce(d.present, exists (select from %2$s as r where %3$s)),
                d.stored_at,
                f.fresh_until,
                case when isfinite(f.fresh_until)
                    then greatest(f.fresh_until - t.refresh_ahead, d.counted_at + (f.fresh_until - d.counted_at) / 2)
                    else f.fresh_until
                end
            from unnest(p_symbols) as k (symbol)
            join freshness.data_types as t on t.name = %4$L
            left join freshness.jobs as j on j.data_type = %4$L and j.symbol = k.symbol
            left join lateral (
                select
                    true as present,
                    %5$s as stored_at,
                    %6$s as ttl
                from %2$s as r
                where
                    %3$s
                    and isfinite(r.%7$I)
                    and %5$s <= clock_timestamp() + least(t.ttl, interval '1 minute')
                order by r.%7$I desc
                limit 1
            ) as n on true
            cross join lateral (
                select
                    n.present,
                    n.stored_at,
                    coalesce(n.ttl, t.ttl) as ttl,
                    greatest(
                        case when n.stored_at > clock_timestamp() then clock_timestamp() else n.stored_at end,
                        case
                            when p_verified_at is not null then p_verified_at
                            when coalesce(n.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity')
                                then j.verified_at
                        end
                    ) as counted_at
            ) as d
            cross join lateral (
                select case when d.counted_at is not null then %8$s end as fresh_until
            ) as f;
        end
        $function$
        $sql$,
        'look_' || v_type.name, v_type.data_table::text, v_where, v_type.name,
        v_timestamp, v_ttl, v_type.timestamp_column, v_deadline
    );
    execute format(
        'revoke all on function freshness.%I(text[], timestamptz) from public', 'look_' || v_type.name
    );
end
$define$;

comment on function freshness.define_look(text) is
    'Writes the look function of a registered data type: freshness."look_<name>"(symbols, verified_at).';
