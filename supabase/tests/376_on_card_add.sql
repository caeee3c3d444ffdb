begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(19);

create schema freshness_pgtap;
grant usage on schema freshness_pgtap to authenticated, service_role;
create table freshness_pgtap.quotes (symbol text primary key, price numeric, fetched_at timestamptz);
create table freshness_pgtap.secrets (symbol text primary key, fetched_at timestamptz);
create table freshness_pgtap.news (id integer primary key, fetched_at timestamptz);
grant select on freshness_pgtap.quotes, freshness_pgtap.news to authenticated, service_role;
do $$
begin
    perform freshness.register_data_type('pgtap_quote', 'freshness_pgtap.quotes', ttl => '1 minute');
    perform freshness.register_data_type('pgtap_secret', 'freshness_pgtap.secrets', ttl => '1 minute');
    perform freshness.register_data_type(
        'pgtap_news', 'freshness_pgtap.news', ttl => '1 minute', symbol_column => null
    );
end
$$;
insert into freshness_pgtap.quotes values ('FRESH', 1, now()), ('OLD', 1, now() - interval '1 hour');

create function freshness_pgtap.ask(p_user text, p_symbol text, variadic p_data_types text[])
returns jsonb
language plpgsql
as $$
begin
    perform set_config('request.jwt.claims', jsonb_build_object('sub', p_user, 'role', 'authenticated')::text, true);
    return public.on_card_add(p_symbol, p_data_types);
end
$$;

create function freshness_pgtap.refusal(p_statement text)
returns text
language plpgsql
as $$
declare
    v_message text;
    v_detail text;
begin
    execute p_statement;
    return 'not refused';
exception
    when sqlstate 'PGRST' then
        get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
        return (v_detail::jsonb ->> 'status') || ' ' || (v_message::jsonb ->> 'message');
end
$$;
set local role anon;
select throws_ok(
    $$ select public.on_card_add('A', array['pgtap_quote']) $$, '42501', null, 'nobody signed in, nobody answered'
);
set local role authenticated;
select set_config('request.jwt.claims', '{"role": "authenticated"}', true) is null as ignored \gset
select is(
    freshness_pgtap.refusal($$ select public.on_card_add('A', array['pgtap_quote']) $$),
    '401 The token is not of a signed-in user: sign in first.', 'a token names its user'
);
select is(
    freshness_pgtap.ask('u-1', 'OLD', 'pgtap_quote') #- '{keys,0,dueAt}' #- '{keys,0,freshUntil}',
    '{"success": true, "leaseSeconds": 300, "keys": [{"symbol": "OLD", "dataType": "pgtap_quote", "status": "queued"}]}',
    'the answer has the endpoint''s shape'
);
select matches(
    freshness_pgtap.ask('u-1', 'FRESH', 'pgtap_quote') #>> '{keys,0,freshUntil}',
    '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$', 'times are in UTC, to the millisecond'
);
select is(
    public.on_card_add(p_cards => '[{"symbol": "FRESH", "dataTypes": ["pgtap_quote"]}, {"dataTypes": ["pgtap_news"]}]')
    #> '{keys,1,symbol}', '"GLOBAL"', 'cards are asked for together'
);
select is(
    public.on_card_add(p_cards => '{"symbol": "", "dataTypes": ["pgtap_quote"]}') #- '{keys,0,dueAt}'
    -> 'keys', '[{"symbol": null, "dataType": "pgtap_quote", "status": "invalid_symbol", "freshUntil": null}]',
    'the endpoint''s whole body is taken too'
);
select is(
    jsonb_path_query_array(freshness_pgtap.ask('u-1', 'A', 'pgtap_secret', 'pgtap_quote', 'no'), '$.keys[*].status'),
    '["forbidden", "queued", "unknown_data_type"]', 'each key has its state'
);
select alike(
    freshness_pgtap.refusal($$ select freshness_pgtap.ask('u-2', 'A', 'pgtap_secret', 'no') $$), '403 %', 'a table that the user may not read is closed here too'
);
select is(
    freshness_pgtap.refusal($$ select freshness_pgtap.ask('u-2', 'A', 'no', 'nay') $$),
    '422 None of these data types is known: no, nay.', 'what is not known is named'
);
select is(
    freshness_pgtap.refusal($$ select public.on_card_add('A', array['pgtap_quote'], '[{"dataTypes": ["pgtap_quote"]}]') $$),
    '422 Send either cards, or symbol and dataTypes, not both.', 'one form or the other'
);
select alike(
    freshness_pgtap.refusal($$ select public.on_card_add() $$), '422 %', 'something has to be asked'
);
select alike(
    freshness_pgtap.refusal($$ select freshness_pgtap.ask(repeat('u', 191), 'A', 'pgtap_quote') $$), '401 %', 'a user''s id is short'
);
reset role;
select set_eq(
    $$ select distinct watcher from freshness.watches $$, array['user:u-1'], 'a lease is the user''s; refused: none'
);
update freshness.card_limits set keys_per_call = 1, keys_per_user = 4;
set local role authenticated;
select is(
    freshness_pgtap.refusal($$ select freshness_pgtap.ask('u-1', 'B', 'pgtap_quote') $$),
    '429 You would watch 5 keys; at most 4 are allowed.', 'a user watches so much and no more'
);
create temporary table refusal (message jsonb, detail jsonb) on commit drop;
do $$
declare
    v_message text;
    v_detail text;
begin
    perform freshness_pgtap.ask('u-1', 'B', 'pgtap_quote');
exception
    when sqlstate 'PGRST' then
        get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail;
        insert into refusal values (v_message::jsonb, v_detail::jsonb);
end
$$;
select is(message ->> 'code', 'TOO_MANY_WATCHED', 'the body has the endpoint''s code') from refusal;
select ok(
    (message ->> 'details')::jsonb ->> 'retryAfter' = detail #>> '{headers,Retry-After}'
    and (detail #>> '{headers,Retry-After}')::integer between 290 and 300,
    'and says when to try again, in a header too'
) from refusal;
select is(
    (select array_agg(k order by k) from refusal as r cross join lateral jsonb_object_keys(r.detail) as k),
    array['headers', 'status'], 'PostgREST is told what it takes, and no more'
);
set local role service_role;
select set_config('request.jwt.claims', '{"role": "service_role"}', true) is null as ignored \gset
select lives_ok(
    $$ select public.on_card_add('A', array['pgtap_news']) $$, 'server code needs no user'
);
reset role;
select results_eq(
    $$ select watcher from freshness.watches where watcher not like 'user:%' $$, array['service_role'],
    'its leases are its role''s'
);

select * from finish();
rollback;
