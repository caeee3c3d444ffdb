-- A table with a key on the symbol has one row to find: to take the newest of many by sorting costs as much again.
create function freshness.newest_row(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
declare
    v_table text := freshness.find_table_again(p_type)::text;
    v_timestamp oid := freshness.find_timestamp_column(p_type.data_table, p_type.timestamp_column);
    v_stored_at text := freshness.timestamp_expression(
        v_timestamp, p_type.time_zone, format('r.%I', p_type.timestamp_column)
    );
    v_rows text := format(
        $body$
                from %1$s as r
                where
                    %2$s
                    and isfinite(r.%3$I)
                    and %4$s <= clock_timestamp() + least(t.ttl, interval '1 minute')$body$,
        v_table, freshness.row_condition(p_type), p_type.timestamp_column, v_stored_at
    );
begin
    if p_type.ttl_column is null then
        return format(
            $body$
            select true as present, %1$s as stored_at, t.ttl
            from (
                select max(r.%2$I) as newest %3$s
            ) as m
            where m.newest is not null$body$,
            freshness.timestamp_expression(v_timestamp, p_type.time_zone, 'm.newest'), p_type.timestamp_column, v_rows
        );
    end if;
    return format(
        $body$
            select true as present, %1$s as stored_at, %2$s as ttl %3$s
            order by r.%4$I desc
            limit 1$body$,
        v_stored_at,
        freshness.ttl_expression(
            freshness.find_ttl_column(p_type.data_table, p_type.ttl_column), 'r.' || quote_ident(p_type.ttl_column)
        ),
        v_rows, p_type.timestamp_column
    );
end
$define$;

comment on function freshness.newest_row(freshness.data_types) is
    'SQL that finds of the stored rows of key k the newest that is not far in the future: present, stored_at and ttl,'
    ' or no row. FR002 names the table or column that is gone.';

-- The look itself, as it stands in each statement that looks at keys of one data type: what is stored, until when it is
-- fresh, and when its refresh is due. A timestamp far in the future, or infinite, is passed over, so that it cannot
-- hide that the data is old. And what a fetch has verified counts only while the rows are those, not when they were
-- deleted or went back.
create function freshness.look_joins(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    return format(
        $body$
        left join lateral (
            %1$s
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
            select case when d.counted_at is not null then %2$s end as fresh_until
        ) as f
        cross join lateral (
            select %3$s as refresh_at
        ) as a
        $body$,
        freshness.newest_row(p_type), freshness.deadline_expression(p_type),
        freshness.refresh_expression(p_type, 'f.fresh_until', 'd.counted_at')
    );
end
$define$;

comment on function freshness.look_joins(freshness.data_types) is
    'SQL that joins what is known of a key: n (present), d (stored_at), f (fresh_until) and a (refresh_at), to t, the'
    ' row of the registry, k (symbol, and verified_at of a fetch that has just succeeded or null) and j (stored_at and'
    ' verified_at of its job). FR002 names the table or column that is gone.';
