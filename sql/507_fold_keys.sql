create function freshness.fold_keys(p_data_type text, p_pulls freshness.pulls[])
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_asked record;
    v_symbols text[];
    v_slice constant integer := 5000;
    v_second constant interval := interval '1 second';
begin
    select
        bool_or(p.reason in ('data changed', 'truncated', 'all keys')) as data_changed,
        coalesce(
            array_agg(distinct p.symbol) filter (where p.reason not in ('truncated', 'all keys')), '{}'
        ) as symbols,
        array_agg(distinct p.symbol) filter (where p.reason = 'subscribed') as subscribed,
        -- A truncated table, or a changed row of the registry, concerns all keys: those after this one are left.
        min(coalesce(p.symbol, '')) filter (where p.reason in ('truncated', 'all keys')) as after
    into v_asked
    from unnest(p_pulls) as p;

    v_symbols := v_asked.symbols;
    if v_asked.after is not null then
        v_symbols := freshness.keys_after(p_data_type, v_asked.after, v_slice);
        insert into freshness.pulls (data_type, symbol, reason)
        select p_data_type, v_symbols[v_slice], 'all keys'
        where cardinality(v_symbols) = v_slice;
        v_symbols := array(select unnest(v_symbols) union select unnest(v_asked.symbols));
    end if;

    -- A job that looks right, of a key that was not watched before, may be going away at this very moment: once more.
    insert into freshness.pulls (due_at, data_type, symbol, reason)
    select
        clock_timestamp() + case r.outcome when 'table locked' then v_second else interval '0' end,
        p_data_type, coalesce(r.symbol, s.symbol),
        case when v_asked.data_changed then 'data changed' when r.symbol is null then 'watched' else 'locked' end
    from freshness.reconsider(p_data_type, v_symbols, v_asked.data_changed) as r
    full join unnest(v_asked.subscribed) as s (symbol) on s.symbol = r.symbol
    where r.outcome like '%locked' or r.symbol is null;
    perform freshness.raise_priorities(p_data_type, p_pulls);
exception
    when lock_not_available or deadlock_detected then
        insert into freshness.pulls (due_at, data_type, symbol, priority, reason)
        select
            clock_timestamp() + v_second, p_data_type, p.symbol, max(p.priority),
            case when v_asked.data_changed then 'data changed' else 'locked' end
        from unnest(p_pulls) as p
        where p.symbol is not null and p.reason not in ('truncated', 'all keys')
        group by p.symbol
        union all
        select clock_timestamp() + v_second, p_data_type, nullif(v_asked.after, ''), null, 'all keys'
        where v_asked.after is not null;
    when others or assert_failure then
        insert into freshness.events (kind, data_type, message)
        values ('error', p_data_type, format('keys of %s not looked at: %s', p_data_type, sqlerrm));
end
$$;

comment on function freshness.fold_keys(text, freshness.pulls[]) is
    'Part of fold_pulls: folds the pulls of one data type, those of keys that a subscription has just brought too'
    ' (reason subscribed).';
