-- What is known of a key as its refresh ends, by the expressions of the look (freshness.define_look), for many keys.
create function freshness.looks_at_ends(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = ''
as $define$
begin
    -- Each value once: without the offsets the planner would write out its expression wherever it is used.
    return format(
        $body$
            select
                k.*,
                case when isfinite(k.fresh_until)
                    then greatest(k.fresh_until - (%1$s), k.counted_at + (k.fresh_until - k.counted_at) / 2)
                    else k.fresh_until
                end as refresh_at
            from (
                select d.*, case when d.counted_at is not null then %2$s end as fresh_until
                from (
                    select
                        v.*,
                        greatest(
                            case when v.stored_at > clock_timestamp() then clock_timestamp() else v.stored_at end,
                            v.verified_at
                        ) as counted_at
                    from (
                        select
                            k.*, j.place, j.worker, j.started_at, j.waited, j.reserved,
                            n.stored_at, coalesce(n.ttl, t.ttl) as ttl,
                            -- Not verified: rows that were deleted or went back while the source said that nothing has
                            -- changed.
                            case
                                when
                                    k.outcome = 'fresh'
                                    or coalesce(n.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity')
                                    then least(j.started_at, v_now)
                            end as verified_at
                        from (
                            select
                                u.symbol, u.fence, u.validators::jsonb as new_validators, u.bytes, u.calls,
                                case
                                    when p_rows is null or u.rows is null then 'unchanged'
                                    when u.fence = any (v_written) then 'fresh'
                                end as outcome
                            from unnest(p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls)
                            as u (symbol, fence, rows, validators, bytes, calls)
                            offset 0
                        ) as k
                        cross join lateral (
                            select o.ctid as place, o.worker, o.started_at, o.waited, o.calls as reserved, o.stored_at
                            from freshness.jobs as o
                            where o.data_type = %3$L and o.symbol = k.symbol and o.fence = k.fence
                            limit 1
                        ) as j
                        left join lateral (
                            select %4$s as stored_at, %5$s as ttl
                            from %6$s as r
                            where
                                %7$s and isfinite(r.%8$I)
                                and %4$s <= clock_timestamp() + least(t.ttl, interval '1 minute')
                            order by r.%8$I desc
                            limit 1
                        ) as n on true
                        where k.outcome is not null
                        offset 0
                    ) as v
                    offset 0
                ) as d
                offset 0
            ) as k
            offset 0$body$,
        freshness.ahead_expression(p_type), freshness.deadline_expression(p_type), p_type.name,
        freshness.timestamp_expression(
            freshness.find_timestamp_column(p_type.data_table, p_type.timestamp_column), p_type.time_zone,
            format('r.%I', p_type.timestamp_column)
        ),
        freshness.ttl_expression(
            freshness.find_ttl_column(p_type.data_table, p_type.ttl_column), 'r.' || quote_ident(p_type.ttl_column)
        ),
        p_type.data_table, freshness.row_condition(p_type), p_type.timestamp_column
    );
end
$define$;

comment on function freshness.looks_at_ends(freshness.data_types) is
    'SQL that looks at the keys of running refreshes which have ended plainly: their source said that nothing has'
    ' changed, or their rows were written (v_written). It has what freshness.look finds, and what their jobs held.';
