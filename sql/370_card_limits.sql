-- What a signed-in user may ask for when a page shows cards, whichever way the page asks.
create table freshness.card_limits (
    is_the_only_row boolean primary key default true
    constraint there_is_one_row check (is_the_only_row),
    lease interval not null default interval '5 minutes'
    constraint a_lease_is_a_second_to_a_day check (lease between interval '1 second' and interval '1 day'),
    keys_per_call integer not null default 50,
    keys_per_user integer not null default 500,
    constraint a_call_may_ask_for_what_a_user_may_watch check (keys_per_call between 1 and keys_per_user)
);

insert into freshness.card_limits default values;

comment on table freshness.card_limits is
    'Limits on cards, in one row: update freshness.card_limits set keys_per_user = 1000. They count from then on.';
comment on column freshness.card_limits.lease is 'How long on_card_add watches a key unless the page asks again.';
comment on column freshness.card_limits.keys_per_call is 'Different keys that one call of on_card_add may ask for.';
comment on column freshness.card_limits.keys_per_user is
    'Keys that a user may watch at a time, with cards and streams. The service role is not limited.';

-- Whoever restores a dump of the schema alone has the table without its row: it is put back, as in a new database.
create function freshness.limits_of_cards()
returns freshness.card_limits
language plpgsql
set search_path = pg_temp
as $$
declare
    v_limits freshness.card_limits;
begin
    select * into v_limits from freshness.card_limits;
    if not found then
        insert into freshness.card_limits default values on conflict do nothing;
        select * into v_limits from freshness.card_limits;
    end if;
    return v_limits;
end
$$;

comment on function freshness.limits_of_cards() is 'The row of freshness.card_limits, which is put back if it is gone.';

create function freshness.refuse_call(p_status integer, p_code text, p_message text, p_hint text, p_retry_after integer)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_headers jsonb := jsonb_strip_nulls(jsonb_build_object(
        'Retry-After', p_retry_after::text, 'WWW-Authenticate', case when p_status = 401 then 'Bearer' end
    ));
    -- Again for clients that see neither status nor headers.
    v_details jsonb := jsonb_strip_nulls(jsonb_build_object('status', p_status, 'retryAfter', p_retry_after));
begin
    raise exception using
        errcode = 'PGRST',
        message = jsonb_strip_nulls(jsonb_build_object(
            'code', p_code, 'message', p_message, 'details', v_details::text, 'hint', p_hint
        ))::text,
        detail = jsonb_build_object('status', p_status, 'headers', v_headers)::text;
end
$$;

comment on function freshness.refuse_call(integer, text, text, text, integer) is
    'Raises an error that PostgREST answers with this status, with Retry-After, and with a body of code (the word that'
    ' the endpoint answers), message, hint and details, which is JSON again: status and retryAfter in seconds.';

-- Calls of one watcher that add keys go one after the other, so that two at a time cannot both take the last place.
create function freshness.refuse_too_many(p_watcher text, p_data_types text[], p_symbols text[], p_most integer)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_ends timestamptz[];
    v_excess integer;
    v_end timestamptz;
begin
    perform pg_advisory_xact_lock(hashtextextended('freshness.watch ' || p_watcher, 0));
    v_ends := array(
        select w.lease_until
        from freshness.leased_keys(p_watcher) as w
        where
            not exists (
                select from unnest(p_data_types, p_symbols) as k (data_type, symbol)
                where k.data_type = w.data_type and k.symbol = w.symbol
            )
        order by w.lease_until
    );
    v_excess := cardinality(v_ends) + cardinality(p_data_types) - p_most;
    if v_excess > 0 then
        v_end := coalesce(v_ends[v_excess], v_ends[cardinality(v_ends)], clock_timestamp());
        perform freshness.refuse_call(
            429, 'TOO_MANY_WATCHED',
            format('You would watch %s keys; at most %s are allowed.', v_excess + p_most, p_most),
            'Show fewer cards, or wait until the leases of closed ones end.',
            greatest(ceil(extract(epoch from v_end - clock_timestamp())), 1)::integer
        );
    end if;
end
$$;

comment on function freshness.refuse_too_many(text, text[], text[], integer) is
    'Raises 429 when p_watcher would watch more than p_most keys with these; retryAfter is when enough of the leases on'
    ' the others will have ended.';
