create function freshness.read_cards(p_body jsonb, out data_types text[], out symbols text[])
language plpgsql
set search_path = pg_temp
as $$
declare
    v_is_list boolean := p_body ? 'cards';
    v_cards jsonb := case when v_is_list then p_body -> 'cards' else jsonb_build_array(p_body) end;
    v_wait jsonb := p_body -> 'wait';
    v_card record;
    v_problem text;
    v_most integer := (select l.keys_per_call from freshness.limits_of_cards() as l);
begin
    if jsonb_typeof(p_body) is distinct from 'object' then
        v_problem := 'The body must be an object with symbol and dataTypes, or with cards.';
    elsif v_is_list and p_body ?| array['symbol', 'dataTypes'] then
        v_problem := 'Send either cards, or symbol and dataTypes, not both.';
    elsif jsonb_typeof(v_cards) <> 'array' or v_cards = '[]' then
        v_problem := 'cards must be a list with at least one element.';
    end if;
    if v_problem is not null then
        perform freshness.refuse_call(422, 'INVALID_CARDS', v_problem, null, null);
    end if;

    for v_card in
        select
            c.body, c.body -> 'symbol' as symbol, c.body -> 'dataTypes' as data_types,
            case when v_is_list then format('cards[%s].', c.ordinal - 1) else '' end as path
        from jsonb_array_elements(v_cards) with ordinality as c (body, ordinal)
    loop
        if jsonb_typeof(v_card.body) <> 'object' then
            v_problem := rtrim(v_card.path, '.') || ' must be an object with symbol and dataTypes.';
        elsif jsonb_typeof(v_card.symbol) not in ('string', 'null') then
            v_problem := v_card.path || 'symbol must be a string.';
        elsif v_card.data_types is null then
            v_problem := v_card.path || 'dataTypes is missing: send a list of data types.';
        elsif jsonb_typeof(v_card.data_types) <> 'array' or v_card.data_types = '[]' then
            v_problem := v_card.path || 'dataTypes must be a list with at least one element.';
        else
            v_problem := (
                select format('%sdataTypes[%s] must be a string.', v_card.path, e.ordinal - 1)
                from jsonb_array_elements(v_card.data_types) with ordinality as e (name, ordinal)
                where jsonb_typeof(e.name) <> 'string'
                order by e.ordinal
                limit 1
            );
        end if;
        if v_problem is not null then
            perform freshness.refuse_call(422, 'INVALID_CARDS', v_problem, null, null);
        elsif length(v_card.symbol ->> 0) > 200 then
            perform freshness.refuse_call(
                422, 'SYMBOL_TOO_LONG', v_card.path || 'symbol is over 200 characters long.', null, null
            );
        end if;
    end loop;

    -- Each key once, in the order of first mention.
    select array_agg(k.data_type order by k.place), array_agg(k.symbol order by k.place)
    into data_types, symbols
    from (
        select e.data_type, coalesce(c.body ->> 'symbol', '') as symbol, min(array[c.ordinal, e.ordinal]) as place
        from jsonb_array_elements(v_cards) with ordinality as c (body, ordinal)
        cross join lateral jsonb_array_elements_text(c.body -> 'dataTypes')
        with ordinality as e (data_type, ordinal)
        group by e.data_type, coalesce(c.body ->> 'symbol', '')
    ) as k;
    if cardinality(data_types) > v_most then
        perform freshness.refuse_call(
            422, 'TOO_MANY_KEYS',
            format('%s keys are asked for; at most %s are allowed.', cardinality(data_types), v_most), null, null
        );
    elsif not coalesce(
        v_wait = 'null' or (jsonb_typeof(v_wait) = 'number' and v_wait >= '0'), true
    ) then
        perform freshness.refuse_call(
            422, 'INVALID_CARDS', 'wait must be a number of seconds, 0 or more.', null, null
        );
    end if;
end
$$;

comment on function freshness.read_cards(jsonb) is
    'The keys that the body of on-card-add asks for: {symbol, dataTypes} or {cards: [{symbol, dataTypes}, ...]}, each'
    ' key once, in the order of first mention. The symbol may be missing for data types without symbols; other fields'
    ' are ignored, and so is wait but for its form: a transaction cannot wait. 422 names the field that is wrong.';
