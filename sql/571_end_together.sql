create function freshness.define_ends(p_data_type text)
returns void
language plpgsql
set search_path = pg_temp
as $define$
declare
    v_name text := 'ends_' || p_data_type;
    v_body text := (select freshness.ends_body(t) from freshness.data_types as t where t.name = p_data_type);
begin
    if exists (
        select from pg_catalog.pg_proc as f
        where f.pronamespace = 'freshness'::regnamespace and f.proname = v_name and f.prosrc = v_body
    ) then
        return;
    end if;
    execute format(
        'create or replace function freshness.%1$I(p_symbols text[], p_fences bigint[], p_rows text[],'
        ' p_validators text[], p_bytes bigint[], p_calls integer[]) returns freshness.ended[]'
        ' language plpgsql set search_path = pg_temp set timezone = ''UTC'' as %2$L;'
        ' revoke all on function freshness.%1$I(text[], bigint[], text[], text[], bigint[], integer[]) from public;'
        ' alter function freshness.%1$I(text[], bigint[], text[], text[], bigint[], integer[]) owner to %3$s',
        v_name, v_body, freshness.owner_name()
    );
end
$define$;

comment on function freshness.define_ends(text) is
    'Writes the function that ends refreshes of a registered data type where that is plain: freshness."ends_<name>".'
    ' FR002 names the table or column that is gone.';

create function freshness.end_together(
    p_data_type text,
    p_symbols text[],
    p_fences bigint[],
    p_rows text[],
    p_validators text[],
    p_bytes bigint[],
    p_calls integer[]
)
returns freshness.ended[]
language plpgsql
set search_path = pg_temp
as $$
declare
    v_type freshness.data_types;
    v_ended freshness.ended[];
    v_left record;
    v_others freshness.ended[];
begin
    begin
        v_ended := freshness.end_plainly(
            p_data_type, p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls
        );
    exception
        -- What one of them raised concerns that one: the others are ended without it.
        when others or assert_failure then
            null;
    end;
    v_ended := coalesce(v_ended, '{}'::freshness.ended[]);
    if cardinality(v_ended) = cardinality(p_fences) then
        return v_ended;
    end if;

    select
        array_agg(g.symbol) as symbols, array_agg(g.fence) as fences,
        case when count(g.rows) > 0 then array_agg(g.rows) end as rows,
        array_agg(g.validators) as validators, array_agg(g.bytes) as bytes, array_agg(g.calls) as calls
    into v_left
    from unnest(p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls)
    as g (symbol, fence, rows, validators, bytes, calls)
    where g.fence not in (select e.fence from unnest(v_ended) as e);
    select * into v_type from freshness.data_types as t where t.name = p_data_type and v_left.fences is not null;
    if not found then
        return v_ended;
    end if;
    v_others := freshness.try_to_end(
        v_type, v_left.symbols, v_left.fences, v_left.rows, v_left.validators, v_left.bytes, v_left.calls
    );
    if cardinality(v_others) > 0 then
        perform freshness.after_success(v_type);
    end if;
    return v_ended || v_others;
end
$$;

comment on function freshness.end_together is
    'Part of finish_many: ends refreshes of one data type, at once where that is plain, and the others by try_to_end.';
