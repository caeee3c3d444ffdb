create function freshness.row_condition(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return case
        when p_type.symbol_column is null then 'true'
        else format(
            'r.%I = k.symbol::%s', p_type.symbol_column,
            format_type(freshness.find_column(p_type.data_table, p_type.symbol_column, 'symbol'), -1)
        )
    end;
end
$$;

comment on function freshness.row_condition(freshness.data_types) is
    'SQL that tells whether a stored row r is of the key k; FR002 when the symbol column is gone.';

-- A subscriber's statement brings one key, and waits for what we do. For one key a few statements of PL/pgSQL cost a
-- third of the set-based look. They follow the same rule: t, k and d are what the expressions of both call the
-- registry's row, the symbol and what an age counts from; here t has what is needed of the job, too.
create function freshness.look_at_key(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
declare
    v_ttl oid := freshness.find_ttl_column(p_type.data_table, p_type.ttl_column);
begin
    return format(
        $body$
        <<d>>
        declare
            stored_at timestamptz;
            fresh_until timestamptz;
            counted_at timestamptz;
            ttl interval;
        begin
            v_now := clock_timestamp();
            select %1$s, %2$s into d.stored_at, d.ttl
            from %3$s as r
            where %4$s and isfinite(r.%5$I) and %1$s <= v_now + least(t.ttl, interval '1 minute')
            order by r.%5$I desc
            limit 1;
            d.ttl := coalesce(d.ttl, t.ttl);
            d.counted_at := case when d.stored_at > v_now then v_now else d.stored_at end;
            if
                coalesce(d.stored_at, '-infinity') >= coalesce(t.stored_at, '-infinity')
                and t.verified_at <= v_now + least(t.ttl, interval '1 minute')
            then
                d.counted_at := greatest(d.counted_at, least(t.verified_at, v_now));
            end if;
            d.fresh_until := case when d.counted_at is not null then %6$s end;
            v_stored_at := d.stored_at;
            v_fresh_until := d.fresh_until;
            v_refresh_at := %7$s;
        end d;$body$,
        freshness.timestamp_expression(
            freshness.find_timestamp_column(p_type.data_table, p_type.timestamp_column), p_type.time_zone,
            format('r.%I', p_type.timestamp_column)
        ),
        freshness.ttl_expression(v_ttl, 'r.' || quote_ident(p_type.ttl_column)),
        p_type.data_table, freshness.row_condition(p_type), p_type.timestamp_column,
        freshness.deadline_expression(p_type), freshness.refresh_expression(p_type, 'd.fresh_until', 'd.counted_at')
    );
end
$define$;

comment on function freshness.look_at_key(freshness.data_types) is
    'PL/pgSQL that looks at one key, k.symbol, given t: ttl, refresh_ahead and jitter, and stored_at and verified_at of'
    ' its job, or nulls. It sets v_now and the v_stored_at, v_fresh_until and v_refresh_at of freshness.look, and'
    ' raises what that reports as a problem.';
