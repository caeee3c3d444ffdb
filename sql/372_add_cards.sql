create function freshness.add_cards(
    p_data_types text[],
    p_symbols text[],
    p_watcher text,
    p_role text,
    p_lease interval default null
)
returns table (data_type text, symbol text, status text, fresh_until timestamptz, due_at timestamptz)
language plpgsql
rows 10
set search_path = pg_temp
set lock_timeout = '1s'
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    -- Somebody waits for it. The caller cannot choose: it would be everybody's choice.
    c_priority constant integer := 1;
    v_lease interval;
    v_most integer;
    v_closed text[];
    v_open bigint[];
begin
    select coalesce(p_lease, l.lease), case when p_role <> 'service_role' then l.keys_per_user end
    into v_lease, v_most
    from freshness.limits_of_cards() as l;

    v_closed := array(
        select t.name
        from freshness.data_types as t
        where t.name = any (p_data_types) and has_table_privilege(p_role, t.data_table, 'select') is not true
    );
    if v_closed = '{}' then
        return query select * from freshness.watch(p_data_types, p_symbols, p_watcher, v_lease, c_priority, v_most);
        return;
    end if;

    v_open := array(
        select k.ordinal from unnest(p_data_types) with ordinality as k (data_type, ordinal)
        where k.data_type <> all (v_closed)
    );
    return query
    select
        k.data_type, coalesce(s.symbol, k.symbol), coalesce(s.status, 'forbidden'), s.fresh_until, s.due_at
    from unnest(p_data_types, p_symbols) with ordinality as k (data_type, symbol, ordinal)
    left join (
        select v_open[w.position] as ordinal, w.symbol, w.status, w.fresh_until, w.due_at
        from freshness.watch(
            array(select p_data_types[o] from unnest(v_open) with ordinality as u (o, place) order by u.place),
            array(select p_symbols[o] from unnest(v_open) with ordinality as u (o, place) order by u.place),
            p_watcher, v_lease, c_priority, v_most
        ) with ordinality as w (data_type, symbol, status, fresh_until, due_at, position)
    ) as s on s.ordinal = k.ordinal
    order by k.ordinal;
end
$$;

comment on function freshness.add_cards(text[], text[], text, text, interval) is
    'A page shows cards: freshness.watch for the keys whose table p_role may select, with the priority and the limits'
    ' of cards (freshness.card_limits; p_lease overrides its lease). The other keys are answered as forbidden.'
    ' Who calls must have verified that p_watcher and p_role are the user''s. Errors as of freshness.watch.';
