-- The endpoint's answer without the endpoint: for teams that host no Python.

create function freshness.caller_name(p_role text)
returns text
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    -- PostgREST puts the claims of the token there that it has verified.
    v_user text := nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub';
    v_can_be_stored boolean := coalesce(length(v_user) between 1 and 190 and v_user !~ '[[:cntrl:]]', false);
begin
    if not v_can_be_stored and p_role <> 'service_role' then
        perform freshness.refuse_call(
            401, 'INVALID_CREDENTIALS', 'The token is not of a signed-in user: sign in first.', null, null
        );
    end if;
    return case when v_can_be_stored then 'user:' || v_user else p_role end;
end
$$;

comment on function freshness.caller_name(text) is
    'The name under which the caller''s leases are held: user:<sub>, the same as at the endpoint. 401: nobody.';

create function freshness.card_as_json(
    p_data_type text, p_symbol text, p_status text, p_fresh_until timestamptz, p_due_at timestamptz
)
returns jsonb
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    c_format constant text := 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"';
begin
    return jsonb_build_object(
        'symbol', nullif(p_symbol, ''),
        'dataType', p_data_type,
        'status', p_status,
        'freshUntil', case when isfinite(p_fresh_until) then to_char(p_fresh_until at time zone 'UTC', c_format) end,
        'dueAt', case when isfinite(p_due_at) then to_char(p_due_at at time zone 'UTC', c_format) end
    );
end
$$;

comment on function freshness.card_as_json(text, text, text, timestamptz, timestamptz) is
    'A key''s state as on-card-add answers it.';

create function public.on_card_add(
    p_symbol text default null, p_data_types text[] default null, p_cards jsonb default null
)
returns jsonb
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    -- Not current_user, which is the owner here; no role was set: the one that logged in.
    v_role text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    v_watcher text := freshness.caller_name(v_role);
    v_cards jsonb := nullif(p_cards, 'null');
    v_card jsonb := jsonb_strip_nulls(jsonb_build_object('symbol', p_symbol, 'dataTypes', to_jsonb(p_data_types)));
    v_asked record;
    v_keys jsonb;
    v_statuses text[];
begin
    v_asked := freshness.read_cards(
        case
            when v_cards is null then v_card
            when jsonb_typeof(v_cards) = 'object' then v_cards || v_card
            else jsonb_build_object('cards', v_cards) || v_card
        end
    );
    select
        jsonb_agg(
            freshness.card_as_json(s.data_type, s.symbol, s.status, s.fresh_until, s.due_at) order by s.place
        ),
        array_agg(distinct s.status)
    into v_keys, v_statuses
    from freshness.add_cards(v_asked.data_types, v_asked.symbols, v_watcher, v_role)
    with ordinality as s (data_type, symbol, status, fresh_until, due_at, place);

    if v_statuses = array['unknown_data_type'] then
        perform freshness.refuse_call(
            422, 'UNKNOWN_DATA_TYPE',
            format(
                'None of these data types is known: %s.',
                (
                    select string_agg(n.name, ', ' order by n.place)
                    from (
                        select left(t.name, 50) as name, min(t.place) as place
                        from unnest(v_asked.data_types) with ordinality as t (name, place)
                        group by left(t.name, 50)
                    ) as n
                )
            ),
            'freshness.register_data_type makes one known.', null
        );
    elsif v_statuses <@ array['unknown_data_type', 'forbidden'] then
        perform freshness.refuse_call(
            403, 'FORBIDDEN', 'You may not read the tables of these data types.',
            'Whoever may select from the table may ask for its keys.', null
        );
    end if;
    return jsonb_build_object(
        'success', true,
        'leaseSeconds', (select extract(epoch from l.lease) from freshness.limits_of_cards() as l)::double precision,
        'keys', v_keys
    );
end
$$;

comment on function public.on_card_add(text, text[], jsonb) is
    'For signed-in users: a page shows a card (p_symbol, p_data_types), or cards (p_cards: a list of {symbol,'
    ' dataTypes}, or the body that the endpoint takes). Their keys are watched until the lease ends, unless the page'
    ' calls again, and what is stale is queued. Answers as the endpoint on-card-add. Errors: 401, 403, 422 and'
    ' 429, as PostgREST answers freshness.refuse_call: with the endpoint''s code, and Retry-After.';
