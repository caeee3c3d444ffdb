"""Bodies become keys, or an error that names the field."""

from __future__ import annotations

from typing import Any

import pytest

from pyworker.job import Key
from pyworker.web.cards import read_keys
from pyworker.web.problems import ProblemError

MANY = [f"type{number}" for number in range(51)]


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        (
            {"symbol": "AAPL", "dataTypes": ["quote", "profile"]},
            [Key("quote", "AAPL"), Key("profile", "AAPL")],
        ),
        (
            {"cards": [{"symbol": "A", "dataTypes": ["q"]}, {"symbol": "B", "dataTypes": ["q"]}]},
            [Key("q", "A"), Key("q", "B")],
        ),
        ({"dataTypes": ["market"]}, [Key("market", "")]),
        ({"symbol": None, "dataTypes": ["market"]}, [Key("market", "")]),
        (
            {"symbol": "A", "dataTypes": ["q"], "priority": 9, "leaseSeconds": 1e9, "x": []},
            [Key("q", "A")],
        ),
        (
            {"symbol": 'O\'Neil, "x" 株式 😀', "dataTypes": ["q"]},
            [Key("q", 'O\'Neil, "x" 株式 😀')],
        ),
        ({"symbol": "😀" * 200, "dataTypes": ["q"]}, [Key("q", "😀" * 200)]),
    ],
)
def test_a_body_becomes_keys(body: Any, keys: list[Key]) -> None:
    assert read_keys(body, 50) == keys


def test_a_key_counts_once_in_the_order_of_its_first_mention() -> None:
    card = {"symbol": "A", "dataTypes": [*MANY[:50], *MANY[:50]]}
    keys = read_keys({"cards": [card, card]}, 50)
    assert [key.data_type for key in keys] == MANY[:50]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ([], "INVALID_CARDS", "must be an object with symbol"),
        (None, "INVALID_CARDS", "must be an object with symbol"),
        ({}, "INVALID_CARDS", "dataTypes is missing"),
        ({"symbol": "A", "dataTypes": "quote"}, "INVALID_CARDS", "dataTypes must be a list"),
        ({"symbol": "A", "dataTypes": []}, "INVALID_CARDS", "dataTypes must be a list with"),
        (
            {"symbol": "A", "dataTypes": ["q", 1]},
            "INVALID_CARDS",
            r"dataTypes\[1\] must be a string",
        ),
        ({"symbol": 7, "dataTypes": ["q"]}, "INVALID_CARDS", "^symbol must be a string"),
        ({"symbol": "a\0", "dataTypes": ["q"]}, "INVALID_CARDS", "^symbol has a character"),
        ({"symbol": "\ud800", "dataTypes": ["q"]}, "INVALID_CARDS", "^symbol has a character"),
        ({"symbol": "A", "dataTypes": ["\0"]}, "INVALID_CARDS", r"dataTypes\[0\] has a character"),
        ({"cards": None}, "INVALID_CARDS", "cards must be a list"),
        ({"cards": []}, "INVALID_CARDS", "cards must be a list"),
        ({"cards": ["A"]}, "INVALID_CARDS", r"cards\[0\] must be an object"),
        ({"cards": [{"symbol": "A"}]}, "INVALID_CARDS", r"cards\[0\].dataTypes is missing"),
        (
            {"cards": [{"dataTypes": ["q"]}, {"symbol": [], "dataTypes": ["q"]}]},
            "INVALID_CARDS",
            r"cards\[1\].symbol must be a string",
        ),
        ({"cards": [], "symbol": "A"}, "INVALID_CARDS", "not both"),
        ({"symbol": "A" * 201, "dataTypes": ["q"]}, "SYMBOL_TOO_LONG", "^symbol is over 200"),
        ({"symbol": "A", "dataTypes": MANY}, "TOO_MANY_KEYS", "51 keys .* at most 50"),
    ],
)
def test_a_wrong_field_is_named(body: Any, code: str, message: str) -> None:
    with pytest.raises(ProblemError, match=message) as refused:
        read_keys(body, 50)
    assert (refused.value.status, refused.value.code) == (422, code)
