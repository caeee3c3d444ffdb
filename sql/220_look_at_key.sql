-- A subscriber's statement brings one key, and waits for what we do. For one key the statements of a small function
-- cost a third of the set-based look. It has the same name and follows the same rule; t, j, k and d are what the
-- expressions of both call the registry's row, the job, the symbol and what an age counts from.
create function freshness.define_look_at_key(p_type freshness.data_types, p_table text, p_where text)
returns void
language plpgsql
set search_path = ''
as $define$
declare
    v_timestamp text := freshness.timestamp_expression(
        freshness.find_timestamp_column(p_type.data_table, p_type.timestamp_column), p_type.time_zone,
        format('r.%I', p_type.timestamp_column)
    );
    v_ttl oid := freshness.find_ttl_column(p_type.data_table, p_type.ttl_column);
    v_body text;
begin
    v_body := format(
        $body$
        <<k>>
        declare
            symbol text := p_symbol;
        begin
            <<d>>
            declare
                v_now timestamptz := clock_timestamp();
                stored_at timestamptz;
                fresh_until timestamptz;
                counted_at timestamptz;
                ttl interval;
            begin
                select %1$s, %2$s into d.stored_at, d.ttl
                from %3$s as r
                where %4$s and isfinite(r.%5$I) and %1$s <= v_now + least(t.ttl, interval '1 minute')
                order by r.%5$I desc
                limit 1;
                d.ttl := coalesce(d.ttl, t.ttl);
                d.counted_at := case when d.stored_at > v_now then v_now else d.stored_at end;
                if
                    coalesce(d.stored_at, '-infinity') >= coalesce(j.stored_at, '-infinity')
                    and j.verified_at <= v_now + least(t.ttl, interval '1 minute')
                then
                    d.counted_at := greatest(d.counted_at, least(j.verified_at, v_now));
                end if;
                d.fresh_until := case when d.counted_at is not null then %6$s end;
                return array[
                    d.stored_at,
                    d.fresh_until,
                    case when isfinite(d.fresh_until)
                        then greatest(
                            d.fresh_until - (%7$s), d.counted_at + (d.fresh_until - d.counted_at) / 2
                        )
                        else d.fresh_until
                    end
                ];
            end;
        end
        $body$,
        v_timestamp, freshness.ttl_expression(v_ttl, 'r.' || quote_ident(p_type.ttl_column)),
        p_table, p_where, p_type.timestamp_column,
        freshness.deadline_expression(p_type), freshness.ahead_expression(p_type)
    );
    execute format(
        'create or replace function freshness.%1$I('
        'p_symbol text, t freshness.data_types, j freshness.jobs)'
        ' returns timestamptz[] language plpgsql stable set search_path = '''' as %2$L;'
        ' revoke all on function freshness.%1$I(text, freshness.data_types, freshness.jobs) from public',
        'look_' || p_type.name, v_body
    );
end
$define$;

comment on function freshness.define_look_at_key(freshness.data_types, text, text) is
    'Writes the function that looks at one key of a registered data type: freshness."look_<name>"(symbol, its row of'
    ' the registry, its job or null). It returns the stored_at, fresh_until and refresh_at of freshness.look as an'
    ' array, which costs less than a row in a dynamic statement, and raises what that reports as a problem.';
