-- Of a key that waits for a later moment the stored rows must be looked at. Nearly always it waits for the right one: a
-- join shows that for all keys at once, where a symbol has one row at most. Only the rest are looked at one by one.
create function freshness.doubtful_keys(p_data_type text)
returns text[]
language plpgsql
stable
set search_path = pg_temp
set lock_timeout = '20ms'
as $$
declare
    v_type freshness.data_types;
    v_timestamp text;
    v_doubtful text[];
begin
    select t.* into strict v_type from freshness.data_types as t where t.name = p_data_type;
    if exists (
        select from pg_catalog.pg_index as i
        join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where
            i.indrelid = v_type.data_table and i.indisunique and i.indisvalid and i.indpred is null
            and i.indnkeyatts = 1 and a.attname = v_type.symbol_column
    ) then
        v_timestamp := freshness.timestamp_expression(
            freshness.find_timestamp_column(v_type.data_table, v_type.timestamp_column), v_type.time_zone,
            format('r.%I', v_type.timestamp_column)
        );
        execute format(
            $query$
            select array(
                select k.symbol
                from freshness.jobs as k
                join freshness.data_types as t on t.name = k.data_type
                left join %1$s as r on r.%2$I::text = k.symbol and isfinite(r.%3$I)
                cross join lateral (
                    select
                        %5$s as ttl,
                        case
                            when %4$s > $2 then null
                            when k.verified_at <= $2 and %4$s >= coalesce(k.stored_at, '-infinity')
                                then greatest(k.verified_at, %4$s)
                            else %4$s
                        end as counted_at
                ) as d
                cross join lateral (select case when d.counted_at is not null then %6$s end as fresh_until) as f
                where
                    k.data_type = $1 and k.state <> 'running' and k.unwatched_at is null and k.run_at > $2
                    and (
                        k.run_at <= case
                            when isfinite(f.fresh_until) then greatest(
                                f.fresh_until - (%7$s), d.counted_at + (f.fresh_until - d.counted_at) / 2
                            )
                            else f.fresh_until
                        end
                    ) is not true
            )
            $query$,
            v_type.data_table, v_type.symbol_column, v_type.timestamp_column, v_timestamp,
            freshness.ttl_expression(
                freshness.find_ttl_column(v_type.data_table, v_type.ttl_column), 'r.' || quote_ident(v_type.ttl_column)
            ),
            freshness.deadline_expression(v_type), freshness.ahead_expression(v_type)
        ) into v_doubtful using p_data_type, clock_timestamp();
        return v_doubtful;
    end if;
    return null;
exception
    -- The table is being altered, or a row spoils the statement.
    when others or assert_failure then
        return null;
end
$$;

comment on function freshness.doubtful_keys(text) is
    'Keys of a data type that wait for a later moment, but for those that the stored rows show to wait for the right'
    ' one. Null: not to be told, look at all that wait.';
