-- The trigger function of a data type. It is written for it at registration, as its look function is: a dynamic
-- statement would be planned on each call, which costs the writer of a row 300 microseconds instead of 16.

create function freshness.all_became_fresher(p_type freshness.data_types)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
begin
    return (
        select format(
            $body$
                -- Nearly every statement writes one row, and that is told faster without aggregates.
                perform from new_rows as r offset 1 limit 1;
                if not found then
                    select %1$s as symbol, %2$s as moment, %4$s as own_ttl into v_new from new_rows as r;
                    select %1$s as symbol, %2$s as moment, %4$s as own_ttl into v_old from old_rows as r;
                    v_is_fresher := v_new.moment >= v_old.moment and v_new.moment <= clock_timestamp() + %5$L::interval
                        and v_new.symbol = v_old.symbol and v_new.own_ttl is not distinct from v_old.own_ttl;
                else
                    select
                        min(r.%6$I) as oldest, max(%2$s) as newest, count(*) - count(r.%6$I) as undated,
                        %3$s as symbols, min(%4$s) as shortest, count(%4$s) as own_ttls
                    into v_new from new_rows as r;
                    select max(r.%6$I) as newest, %3$s as symbols, max(%4$s) as longest, count(%4$s) as own_ttls
                    into v_old from old_rows as r;
                    v_is_fresher := v_new.oldest >= v_old.newest and v_new.undated = 0
                        and v_new.newest <= clock_timestamp() + %5$L::interval and v_new.symbols = v_old.symbols
                        and v_new.own_ttls = v_old.own_ttls and (v_new.shortest < v_old.longest) is not true;
                end if;$body$,
            c.symbol, c.moment, c.symbols, coalesce('r.' || quote_ident(p_type.ttl_column), 'null::integer'),
            least(p_type.ttl, interval '1 minute'), p_type.timestamp_column
        )
        from freshness.changed_rows(p_type) as c
    );
end
$$;

comment on function freshness.all_became_fresher(freshness.data_types) is
    'PL/pgSQL that sets v_is_fresher when an update brought no deadline forward: a pass over the rows without any'
    ' grouping, true for rows that all became fresher under the same symbols and ttls. Otherwise false or null.';

create function freshness.define_data_trigger(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_type freshness.data_types;
    v_limit interval;
begin
    select * into strict v_type from freshness.data_types as t where t.name = p_data_type;
    v_limit := least(v_type.ttl, interval '1 minute');
    execute format(
        'create or replace function freshness.%1$I() returns trigger language plpgsql security definer'
        ' set search_path = pg_temp%4$s as %2$L; revoke all on function freshness.%1$I() from public;'
        ' alter function freshness.%1$I() owner to %3$s',
        'changed_' || p_data_type,
        format(
            $body$
            declare
                v_new record;
                v_old record;
                v_is_fresher boolean;
                v_symbols text[];
                v_newest timestamptz[];
            begin
                if tg_level = 'ROW' then%10$s
                elsif tg_op = 'UPDATE' then%2$s
                elsif tg_op = 'INSERT' then
                    v_is_fresher := not exists (
                        select from new_rows as r
                        where (%3$s between clock_timestamp() - %4$L::interval and clock_timestamp() + %5$L::interval)
                        is not true%6$s
                    );
                end if;
                -- The finish of a refresh writes rows too, and sets its job's deadline itself.
                if
                    v_is_fresher or not freshness.is_used(%1$L)
                    or current_setting('freshness.storing', true) = 'on'
                then
                    return null;
                elsif tg_op = 'TRUNCATE' then
                    perform freshness.pull_all_rows(%1$L);
                    return null;
                end if;
                if tg_level = 'STATEMENT' then
                    execute case tg_op when 'UPDATE' then %7$L when 'INSERT' then %8$L else %9$L end
                    into v_symbols, v_newest using clock_timestamp() + %5$L::interval;
                elsif freshness.are_too_many(%1$L, v_symbols[1]) then
                    return null;
                end if;
                perform freshness.pull_changed_keys(%1$L, v_symbols, v_newest);
                return null;
            exception
                when others or assert_failure then
                    raise warning 'freshness: a change of table %% was not noticed: %%', tg_relid::regclass, sqlerrm;
                    return null;
            end
            $body$,
            p_data_type, freshness.all_became_fresher(v_type),
            (select c.moment from freshness.changed_rows(v_type) as c),
            v_type.ttl, v_limit, ' or r.' || quote_ident(v_type.ttl_column) || ' is not null',
            freshness.earlier_keys(v_type, 'UPDATE', 'old_rows', 'new_rows'),
            freshness.earlier_keys(v_type, 'INSERT', null, 'new_rows'),
            freshness.earlier_keys(v_type, 'DELETE', 'old_rows', null), freshness.judge_updated_row(v_type)
        ),
        freshness.owner_name(),
        -- As freshness.cast_symbol.
        case when not v_type.symbol_is_text then ' set datestyle = ''ISO, MDY'' set timezone = ''UTC''' end
    );
end
$define$;

comment on function freshness.define_data_trigger(text) is
    'Writes the trigger function of a registered data type: freshness."changed_<name>"(), for each statement, and for'
    ' each updated row.';
