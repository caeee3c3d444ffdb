-- The look itself, as it stands in each statement that looks at keys of one data type: what is stored, until when it is
-- fresh, and when its refresh is due. A timestamp far in the future, or infinite, is passed over, so that it cannot
-- hide that the data is old. And what a fetch has verified counts only while the rows are those, not when they were
-- deleted or went back.
create function freshness.look_joins(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = ''
as $define$
declare
    v_timestamp oid := freshness.find_timestamp_column(p_type.data_table, p_type.timestamp_column);
    v_ttl oid := freshness.find_ttl_column(p_type.data_table, p_type.ttl_column);
begin
    return format(
        $body$
        left join lateral (
            select
                true as present,
                %3$s as stored_at,
                %4$s as ttl
            from %1$s as r
            where
                %2$s
                and isfinite(r.%5$I)
                and %3$s <= clock_timestamp() + least(t.ttl, interval '1 minute')
            order by r.%5$I desc
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
                        when k.verified_at is not null then k.verified_at
                        when
                            coalesce(n.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity')
                            and j.verified_at <= clock_timestamp() + least(t.ttl, interval '1 minute')
                            then least(j.verified_at, clock_timestamp())
                    end
                ) as counted_at
        ) as d
        cross join lateral (
            select case when d.counted_at is not null then %6$s end as fresh_until
        ) as f
        cross join lateral (
            select
                case when isfinite(f.fresh_until)
                    then greatest(f.fresh_until - (%7$s), d.counted_at + (f.fresh_until - d.counted_at) / 2)
                    else f.fresh_until
                end as refresh_at
        ) as a
        $body$,
        freshness.find_table_again(p_type)::text, freshness.row_condition(p_type),
        freshness.timestamp_expression(v_timestamp, p_type.time_zone, format('r.%I', p_type.timestamp_column)),
        freshness.ttl_expression(v_ttl, 'r.' || quote_ident(p_type.ttl_column)),
        p_type.timestamp_column, freshness.deadline_expression(p_type), freshness.ahead_expression(p_type)
    );
end
$define$;

comment on function freshness.look_joins(freshness.data_types) is
    'SQL that joins what is known of a key: n (present), d (stored_at), f (fresh_until) and a (refresh_at), to t, the'
    ' row of the registry, k (symbol, and verified_at of a fetch that has just succeeded or null) and j (stored_at and'
    ' verified_at of its job). FR002 names the table or column that is gone.';
