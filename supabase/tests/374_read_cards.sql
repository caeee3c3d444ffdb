begin;
set local client_min_messages = warning;
create extension if not exists pgtap with schema extensions;
set local search_path = public, extensions;
select plan(22);

select results_eq(
    $$ select * from freshness.read_cards('{"symbol": "A", "dataTypes": ["quote", "profile", "quote"], "more": 1}') $$,
    $$ values (array['quote', 'profile'], array['A', 'A']) $$, 'a card is a symbol with data types, each key once'
);
select results_eq(
    $$
    select * from freshness.read_cards(
        '{"cards": [{"symbol": "B", "dataTypes": ["quote"]}, {"symbol": "A", "dataTypes": ["quote", "profile"]},
        {"symbol": "B", "dataTypes": ["quote", "news"]}]}'
    )
    $$,
    $$ values (array['quote', 'quote', 'profile', 'news'], array['B', 'A', 'A', 'B']) $$,
    'many cards are read in the order of first mention'
);
select results_eq(
    $$ select * from freshness.read_cards('{"cards": [{"symbol": null, "dataTypes": ["a"]}, {"dataTypes": ["b"]}]}') $$,
    $$ values (array['a', 'b'], array['', '']) $$, 'a symbol may be missing'
);
select results_eq(
    format('select data_types from freshness.read_cards(%L)', t.body), $$ values (array['a']) $$, 'a wait may be ' || t.wait
)
from (
    values
    ('{"symbol": "A", "dataTypes": ["a"], "wait": 1e300}', 'long'),
    ('{"symbol": "A", "dataTypes": ["a"], "wait": null}', 'null')
) as t (body, wait);
create function pg_temp.refusal(p_statement text)
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
select is(pg_temp.refusal(format('select freshness.read_cards(%L)', t.body)), '422 ' || t.message, t.message)
from (
    values
    (null, 'The body must be an object with symbol and dataTypes, or with cards.'),
    ('[]', 'The body must be an object with symbol and dataTypes, or with cards.'),
    ('{"cards": [], "symbol": "A"}', 'Send either cards, or symbol and dataTypes, not both.'),
    ('{"cards": []}', 'cards must be a list with at least one element.'),
    ('{"cards": {}}', 'cards must be a list with at least one element.'),
    ('{"cards": ["A"]}', 'cards[0] must be an object with symbol and dataTypes.'),
    ('{"cards": [{"symbol": 1, "dataTypes": ["a"]}]}', 'cards[0].symbol must be a string.'),
    ('{"symbol": "A"}', 'dataTypes is missing: send a list of data types.'),
    ('{"symbol": "A", "dataTypes": null}', 'dataTypes must be a list with at least one element.'),
    ('{"symbol": "A", "dataTypes": []}', 'dataTypes must be a list with at least one element.'),
    ('{"symbol": "A", "dataTypes": "a"}', 'dataTypes must be a list with at least one element.'),
    ('{"symbol": "A", "dataTypes": ["a", 1]}', 'dataTypes[1] must be a string.'),
    ('{"symbol": "A", "dataTypes": ["a"], "wait": "1"}', 'wait must be a number of seconds, 0 or more.'),
    ('{"symbol": "A", "dataTypes": ["a"], "wait": -0.5}', 'wait must be a number of seconds, 0 or more.'),
    ('{"symbol": "A", "dataTypes": ["a"], "wait": true}', 'wait must be a number of seconds, 0 or more.')
) as t (body, message);
select is(
    pg_temp.refusal($$ select freshness.read_cards(jsonb_build_object('symbol', repeat('A', 201), 'dataTypes', '["a"]'::jsonb)) $$),
    '422 symbol is over 200 characters long.', 'a symbol has a length'
);
update freshness.card_limits set keys_per_call = 2;
select is(
    pg_temp.refusal($$ select freshness.read_cards('{"symbol": "A", "dataTypes": ["a", "b", "c", "a"]}') $$),
    '422 3 keys are asked for; at most 2 are allowed.', 'a call has a number of keys'
);

select * from finish();
rollback;
