-- What wakes an idle worker is one job as a rule, and somebody waits for it to start. It goes by a short way, written
-- for the tables that are registered, like that of a subscriber: this is its look at the key.
create function freshness.looks_at_one()
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_type freshness.data_types;
    v_body text := '';
begin
    for v_type in
        select t.* from freshness.data_types as t
        join pg_catalog.pg_class as c on c.oid = t.data_table
        where t.staleness_function is null and t.not_before_function is null
        order by t.name
        -- A session compiles all of it at its first claim.
        limit 50
    loop
        begin
            v_body := v_body || format(
                e'\n    %s t.data_type = %L then%s',
                case v_body when '' then 'if' else 'elsif' end, v_type.name, freshness.look_at_key(v_type)
            );
        exception
            -- A column is gone: the claim knows what to do.
            when others then
                null;
        end;
    end loop;
    if v_body = '' then
        -- Said so that no check finds what follows unreachable.
        return e'\n    if true then\n        return;\n    end if;';
    end if;
    return v_body || $body$
    else
        return;
    end if;
    if to_regclass('realtime.subscription') is null then
        v_viewers := coalesce((select l.viewers from freshness.live_watches(t.data_type, array[k.symbol]) as l), 0);
    else
        select count(*) into v_viewers
        from freshness.watches as w
        left join realtime.subscription as s on s.id = w.subscription_row and s.subscription_id = w.subscription_id
        where
            w.data_type = t.data_type and w.symbol = k.symbol
            and (s.id is not null or w.lease_until > clock_timestamp());
    end if;
$body$;
end
$$;

comment on function freshness.looks_at_one() is
    'PL/pgSQL that looks at the key k.symbol of t.data_type as freshness.look_at_key says, and sets v_viewers; or'
    ' returns.';
