create function freshness.define_look(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_type freshness.data_types;
    v_table text;
    v_name text := 'look_' || p_data_type;
    v_body text;
begin
    select * into strict v_type from freshness.data_types as t where t.name = p_data_type;
    v_table := freshness.find_table_again(v_type)::text;
    v_body := format(
        $body$
        begin
            return query
            select
                k.symbol,
                coalesce(d.present, exists (select from %1$s as r where %2$s)),
                d.stored_at,
                f.fresh_until,
                a.refresh_at
            from unnest(p_symbols, p_verified_at) as k (symbol, verified_at)
            join freshness.data_types as t on t.name = %3$L
            -- With a limit, so that no plan made while there are few jobs reads all of a data type's.
            left join lateral (
                select o.stored_at, o.verified_at
                from freshness.jobs as o
                where o.data_type = %3$L and o.symbol = k.symbol
                limit 1
            ) as j on true %4$s;
        end
        $body$,
        v_table, freshness.row_condition(v_type), v_type.name, freshness.look_joins(v_type)
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
        ' language plpgsql stable rows 10 set search_path = pg_temp as %2$L;'
        ' revoke all on function freshness.%1$I(text[], timestamptz[]) from public;'
        ' alter function freshness.%1$I(text[], timestamptz[]) owner to %3$s',
        v_name, v_body, freshness.owner_name()
    );
end
$define$;

comment on function freshness.define_look(text) is
    'Writes the look function of a registered data type: freshness."look_<name>"(symbols, verified_at).'
    ' FR002 names the table or column that is gone.';
