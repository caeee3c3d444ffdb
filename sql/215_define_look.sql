create function freshness.define_look(p_data_type text)
returns void
language plpgsql
set search_path = ''
as $define$
declare
    v_type freshness.data_types;
    v_table text;
    v_name text := 'look_' || p_data_type;
    v_timestamp oid;
    v_ttl oid;
    v_body text;
begin
    select * into strict v_type from freshness.data_types as t where t.name = p_data_type;
    v_table := freshness.find_table_again(v_type)::text;
    v_timestamp := freshness.find_timestamp_column(v_type.data_table, v_type.timestamp_column);
    v_ttl := freshness.find_ttl_column(v_type.data_table, v_type.ttl_column);

    -- A timestamp far in the future, or infinite, is passed over, so that it cannot hide that the data is old. And what
    -- a fetch has verified counts only while the rows are those, not when they were deleted or went back.
    v_body := format(
        $body$
        begin
            return query
            select
                k.symbol,
                coalesce(d.present, exists (select from %1$s as r where %2$s)),
                d.stored_at,
                f.fresh_until,
                case when isfinite(f.fresh_until)
                    then greatest(f.fresh_until - (%8$s), d.counted_at + (f.fresh_until - d.counted_at) / 2)
                    else f.fresh_until
                end
            from unnest(p_symbols, p_verified_at) as k (symbol, verified_at)
            join freshness.data_types as t on t.name = %3$L
            -- With a limit, so that no plan made while there are few jobs reads all of a data type's.
            left join lateral (
                select o.stored_at, o.verified_at
                from freshness.jobs as o
                where o.data_type = %3$L and o.symbol = k.symbol
                limit 1
            ) as j on true
            left join lateral (
                select
                    true as present,
                    %4$s as stored_at,
                    %5$s as ttl
                from %1$s as r
                where
                    %2$s
                    and isfinite(r.%6$I)
                    and %4$s <= clock_timestamp() + least(t.ttl, interval '1 minute')
                order by r.%6$I desc
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
                select case when d.counted_at is not null then %7$s end as fresh_until
            ) as f;
        end
        $body$,
        v_table, freshness.row_condition(v_type), v_type.name,
        freshness.timestamp_expression(v_timestamp, v_type.time_zone, format('r.%I', v_type.timestamp_column)),
        freshness.ttl_expression(v_ttl, 'r.' || quote_ident(v_type.ttl_column)),
        v_type.timestamp_column, freshness.deadline_expression(v_type), freshness.ahead_expression(v_type)
    );
    update freshness.data_types as t set look_reads = v_table
    where t.name = p_data_type and t.look_reads is distinct from v_table;
    if exists (
        select from pg_catalog.pg_proc as f
        where f.pronamespace = 'freshness'::regnamespace and f.proname = v_name and f.prosrc = v_body
    ) then
        return;
    end if;
    execute format(
        'create or replace function freshness.%1$I(p_symbols text[], p_verified_at timestamptz[]) returns table'
        ' (symbol text, present boolean, stored_at timestamptz, fresh_until timestamptz, refresh_at timestamptz)'
        ' language plpgsql stable rows 10 set search_path = '''' as %2$L;'
        ' revoke all on function freshness.%1$I(text[], timestamptz[]) from public;'
        ' alter function freshness.%1$I(text[], timestamptz[]) owner to %3$s',
        v_name, v_body, freshness.owner_name()
    );
end
$define$;

comment on function freshness.define_look(text) is
    'Writes the look function of a registered data type: freshness."look_<name>"(symbols, verified_at).'
    ' FR002 names the table or column that is gone.';
