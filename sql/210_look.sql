-- Looking at a key: what is stored, and until when it is fresh. Registration writes one small static function for each
-- data type (its plan stays cached; a dynamic statement is planned on each call), and look() calls it by name.

create function freshness.look(p_data_type text, p_symbols text[], p_verified_at timestamptz[] default null)
returns table (
    symbol text,
    present boolean,
    stored_at timestamptz,
    fresh_until timestamptz,
    refresh_at timestamptz,
    problem text
)
language plpgsql
stable
rows 10
set search_path = pg_temp
as $$
#variable_conflict use_column
declare
    v_half integer := cardinality(p_symbols) / 2;
begin
    return query execute format('select *, null::text from freshness.%I($1, $2)', 'look_' || p_data_type)
        using p_symbols, p_verified_at;
exception
    -- A data table that was dropped or changed under us concerns its own keys, and nobody else's; a symbol or a row
    -- that spoils the statement, or that a function raises for, concerns its own key: it is found by halving.
    when others or assert_failure then
        if v_half > 0 and sqlstate !~ '^(40|42|53|55|57)' then
            return query
            select * from freshness.look(p_data_type, p_symbols[:v_half], p_verified_at[:v_half])
            union all
            select * from freshness.look(p_data_type, p_symbols[v_half + 1:], p_verified_at[v_half + 1:]);
            return;
        end if;
        return query
        select k.symbol, false, null::timestamptz, null::timestamptz, null::timestamptz, sqlstate || ' ' || sqlerrm
        from unnest(p_symbols) as k (symbol);
end
$$;

comment on function freshness.look(text, text[], timestamptz[]) is
    'For each symbol: whether a row is present, the newest row''s timestamp, until when it is fresh, and when its'
    ' refresh is due (before that by refresh_ahead and jitter, but never in the first half of its life). Null times: no'
    ' row, no timestamp. A timestamp up to a minute (or one ttl) ahead of the clock counts as now, one further ahead as'
    ' none. problem: why it could not be read (table dropped, column changed), and then nothing else is known.'
    ' p_verified_at: for each symbol, the start of a fetch that has just succeeded; without one the job''s verified_at'
    ' is used.';
