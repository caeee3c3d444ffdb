-- What is known of a key as its refresh ends, by the expressions of the look (freshness.define_look), for many keys.
create function freshness.looks_at_ends(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
begin
    -- Each value once: without the offsets the planner would write out its expression wherever it is used.
    return format(
        $body$
            select k.*, %1$s as refresh_at
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
                            %4$s
                        ) as n on true
                        where k.outcome is not null
                        offset 0
                    ) as v
                    offset 0
                ) as d
                offset 0
            ) as k
            %5$s$body$,
        freshness.refresh_expression(p_type, 'k.fresh_until', 'k.counted_at'), freshness.deadline_expression(p_type),
        p_type.name, freshness.newest_row(p_type),
        -- Without such a function it is used once.
        case when coalesce(p_type.deadline_function, p_type.staleness_function) is not null then 'offset 0' end
    );
end
$define$;

comment on function freshness.looks_at_ends(freshness.data_types) is
    'SQL that looks at the keys of running refreshes which have ended plainly: their source said that nothing has'
    ' changed, or their rows were written (v_written). It has what freshness.look finds, and what their jobs held.';
