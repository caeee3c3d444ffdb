-- What a refresher says while it runs is no state: it is stored nowhere, and told only to those who stream its keys.
create function freshness.tell_lines(p_said jsonb)
returns integer
language plpgsql
set search_path = pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    -- What is longer cannot be notified: of an immense symbol.
    c_longest constant integer := 7999;
    v_told integer;
begin
    if not exists (select from freshness.listeners as l where l.is_told_of_starts) then
        return 0;
    end if;
    perform pg_notify('freshness_events', t.payload)
    from (
        select
            jsonb_build_object(
                'kind', 'log', 'data_type', g.said ->> 'data_type', 'symbol', s.symbol, 'line', n.line,
                'left_out', case when n.place = 1 then g.said -> 'left_out' else '0' end,
                'said_at', clock_timestamp(),
                -- Of two that are the same Postgres would leave one out.
                'place', row_number() over (order by g.place, n.place)
            )::text as payload
        from jsonb_array_elements(p_said) with ordinality as g (said, place)
        cross join lateral jsonb_array_elements_text(g.said -> 'symbols') as s (symbol)
        cross join lateral jsonb_array_elements_text(g.said -> 'lines') with ordinality as n (line, place)
        where exists (
            select from freshness.listeners as l
            where l.data_type = g.said ->> 'data_type' and l.symbol = s.symbol and l.is_told_of_starts
        )
        order by g.place, n.place
    ) as t
    where octet_length(t.payload) <= c_longest;
    get diagnostics v_told = row_count;
    return v_told;
end
$$;

comment on function freshness.tell_lines(jsonb) is
    'Tells lines of refreshers to those who stream their keys, on channel freshness_events, and returns how many were'
    ' told. p_said is a list of {data_type, symbols, lines, left_out}: each line for each symbol, and how many were'
    ' lost before the first. When nobody streams these keys nothing is written, and nobody is notified.';
