-- A session plans the statements of the data types that it claims, once.
create function freshness.claim_plain_body()
returns text
language plpgsql
stable
set search_path = pg_temp
as $define$
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
                e'\n        %s v_type = %L then%s',
                case v_body when '' then 'if' else 'elsif' end, v_type.name, freshness.claims_plain(v_type)
            );
        exception
            -- A column is gone: the claim knows what to do.
            when others then
                null;
        end;
    end loop;
    if v_body = '' then
        -- Said so that no check finds a parameter unused.
        return ' begin perform p_worker, p_data_types, p_places, p_sources, p_horizon; end ';
    end if;
    return format(
        $body$
#variable_conflict use_column
declare
    v_type text;
begin
    -- Realtime can be switched off, and then its table is not there.
    if to_regclass('realtime.subscription') is null then
        return;
    end if;
    foreach v_type in array p_data_types loop%s
        end if;
    end loop;
end
$body$,
        v_body
    );
end
$define$;

comment on function freshness.claim_plain_body() is
    'PL/pgSQL of freshness.claim_plain for the data types that are registered.';
