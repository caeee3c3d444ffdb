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
select throws_ok(format('select freshness.read_cards(%L)', t.body), t.state, t.message, t.message)
from (
    values
    (null, 'PT422', 'The body must be an object with symbol and dataTypes, or with cards.'),
    ('[]', 'PT422', 'The body must be an object with symbol and dataTypes, or with cards.'),
    ('{"cards": [], "symbol": "A"}', 'PT422', 'Send either cards, or symbol and dataTypes, not both.'),
    ('{"cards": []}', 'PT422', 'cards must be a list with at least one element.'),
    ('{"cards": {}}', 'PT422', 'cards must be a list with at least one element.'),
    ('{"cards": ["A"]}', 'PT422', 'cards[0] must be an object with symbol and dataTypes.'),
    ('{"cards": [{"symbol": 1, "dataTypes": ["a"]}]}', 'PT422', 'cards[0].symbol must be a string.'),
    ('{"symbol": "A"}', 'PT422', 'dataTypes is missing: send a list of data types.'),
    ('{"symbol": "A", "dataTypes": null}', 'PT422', 'dataTypes must be a list with at least one element.'),
    ('{"symbol": "A", "dataTypes": []}', 'PT422', 'dataTypes must be a list with at least one element.'),
    ('{"symbol": "A", "dataTypes": "a"}', 'PT422', 'dataTypes must be a list with at least one element.'),
    ('{"symbol": "A", "dataTypes": ["a", 1]}', 'PT422', 'dataTypes[1] must be a string.'),
    ('{"symbol": "A", "dataTypes": ["a"], "wait": "1"}', 'PT422', 'wait must be a number of seconds, 0 or more.'),
    ('{"symbol": "A", "dataTypes": ["a"], "wait": -0.5}', 'PT422', 'wait must be a number of seconds, 0 or more.'),
    ('{"symbol": "A", "dataTypes": ["a"], "wait": true}', 'PT422', 'wait must be a number of seconds, 0 or more.')
) as t (body, state, message);
select throws_ok(
    $$ select freshness.read_cards(jsonb_build_object('symbol', repeat('A', 201), 'dataTypes', '["a"]'::jsonb)) $$,
    'PT422', 'symbol is over 200 characters long.', 'a symbol has a length'
);
update freshness.card_limits set keys_per_call = 2;
select throws_ok(
    $$ select freshness.read_cards('{"symbol": "A", "dataTypes": ["a", "b", "c", "a"]}') $$,
    'PT422', '3 keys are asked for; at most 2 are allowed.', 'a call has a number of keys'
);

select * from finish();
rollback;
