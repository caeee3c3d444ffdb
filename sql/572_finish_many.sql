-- The end of many refreshes in one transaction. What spoils one of them must not harm the others.
create function freshness.try_to_end(
    p_type freshness.data_types,
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
-- Somebody who holds one key's rows is not waited for: the others would wait too.
set lock_timeout = '100ms'
as $$
declare
    v_ended freshness.ended[] := '{}'::freshness.ended[];
begin
    return freshness.end_refreshes(
        p_type, p_symbols, p_fences, p_rows::jsonb[], p_validators::jsonb[], p_bytes, p_calls
    );
exception
    when others or assert_failure then
        if cardinality(p_fences) = 1 then
            return array[row(p_type.name, p_fences[1], null, null)::freshness.ended];
        end if;
        for v_number in 1..cardinality(p_fences) loop
            v_ended := v_ended || freshness.try_to_end(
                p_type, p_symbols[v_number:v_number], p_fences[v_number:v_number], p_rows[v_number:v_number],
                p_validators[v_number:v_number], p_bytes[v_number:v_number], p_calls[v_number:v_number]
            );
        end loop;
        return v_ended;
end
$$;

comment on function freshness.try_to_end is
    'Part of finish_many: ends refreshes of one data type together, or if one of them spoils that, each by itself.';

create function freshness.finish_many(
    p_data_types text[],
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
set jit = off
set plan_cache_mode = force_generic_plan
-- Jobs and rows are found by their key or their place, however few there were when the plan was made.
set enable_seqscan = off
set enable_memoize = off
-- Somebody who holds one key's rows is not waited for: the others would wait too.
set lock_timeout = '100ms'
as $$
declare
    v_given record;
    v_ended freshness.ended[] := '{}'::freshness.ended[];
begin
    if p_data_types[1] = all (p_data_types) then
        return freshness.end_together(
            p_data_types[1], p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls
        );
    end if;
    for v_given in
        select
            g.data_type,
            array_agg(g.symbol) as symbols, array_agg(g.fence) as fences,
            case when count(g.rows) > 0 then array_agg(g.rows) end as rows,
            array_agg(g.validators) as validators, array_agg(g.bytes) as bytes, array_agg(g.calls) as calls
        from unnest(p_data_types, p_symbols, p_fences, p_rows, p_validators, p_bytes, p_calls)
        as g (data_type, symbol, fence, rows, validators, bytes, calls)
        group by g.data_type
        order by g.data_type
    loop
        v_ended := v_ended || freshness.end_together(
            v_given.data_type, v_given.symbols, v_given.fences, v_given.rows, v_given.validators, v_given.bytes,
            v_given.calls
        );
    end loop;
    return v_ended;
end
$$;

comment on function freshness.finish_many is
    'Ends many refreshes as freshness.finish does, given by columns, each as if alone. A null outcome: it was refused,'
    ' or somebody holds its rows, and nothing was changed; freshness.finish says why, or waits. Fences that are not in'
    ' the answer had been lost.';
