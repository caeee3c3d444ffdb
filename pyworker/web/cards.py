"""Reads what a page asks for: the keys of its cards, and how long it waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyworker.job import Key, is_text
from pyworker.web.problems import ProblemError

LONGEST_SYMBOL = 200
# To the database an empty symbol is GLOBAL for a global data type, and invalid for any other.
NO_SYMBOL = ""


def read_keys(body: Any, max_keys: int) -> list[Key]:
    """Return the keys that a body asks for, each once, in the order of their first mention.

    Args:
        body: `{"symbol", "dataTypes"}` or `{"cards": [{"symbol", "dataTypes"}, ...]}`; the symbol
            may be missing for data types without symbols. Other fields are ignored.
        max_keys: how many different keys are allowed.

    Raises:
        ProblemError: 422, naming the field that is wrong.
    """
    if not isinstance(body, dict):
        raise _invalid("The body must be an object with symbol and dataTypes, or with cards.")
    if "cards" not in body:
        cards = [_card_keys(body, "")]
    elif "dataTypes" in body or "symbol" in body:
        raise _invalid("Send either cards, or symbol and dataTypes, not both.")
    else:
        cards = [
            _card_keys(card, f"cards[{position}]")
            for position, card in enumerate(_filled_list(body["cards"], "cards"))
        ]
    keys = list(dict.fromkeys(key for card in cards for key in card))
    if len(keys) > max_keys:
        raise ProblemError(
            422, "TOO_MANY_KEYS", f"{len(keys)} keys are asked for; at most {max_keys} are allowed."
        )
    return keys


def read_wait(body: Any, longest: float) -> float:
    """Return for how many seconds the page waits for fresh data, at most `longest`.

    Args:
        body: one that `read_keys` takes; `wait` may be missing, which is 0.
        longest: what is longer is cut to this.

    Raises:
        ProblemError: 422, it is no number, or below 0.
    """
    wait = body.get("wait")
    if wait is None:
        return 0.0
    if isinstance(wait, bool) or not isinstance(wait, int | float) or wait < 0:
        raise _invalid("wait must be a number of seconds, 0 or more.")
    return float(min(wait, longest))


def _card_keys(card: Any, path: str) -> Iterator[Key]:
    if not isinstance(card, dict):
        raise _invalid(f"{path} must be an object with symbol and dataTypes.")
    prefix = f"{path}." if path else ""
    symbol = _symbol(card.get("symbol"), f"{prefix}symbol")
    if "dataTypes" not in card:
        raise _invalid(f"{prefix}dataTypes is missing: send a list of data types.")
    data_types = _filled_list(card["dataTypes"], f"{prefix}dataTypes")
    for position, data_type in enumerate(data_types):
        yield Key(_text(data_type, f"{prefix}dataTypes[{position}]"), symbol)


def _symbol(value: Any, path: str) -> str:
    if value is None:
        return NO_SYMBOL
    symbol = _text(value, path)
    if len(symbol) > LONGEST_SYMBOL:
        raise ProblemError(
            422, "SYMBOL_TOO_LONG", f"{path} is over {LONGEST_SYMBOL} characters long."
        )
    return symbol


def _filled_list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _invalid(f"{path} must be a list with at least one element.")
    return value


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _invalid(f"{path} must be a string.")
    if not is_text(value):
        raise _invalid(f"{path} has a character that is no text (NUL, or half of a pair).")
    return value


def _invalid(message: str) -> ProblemError:
    return ProblemError(422, "INVALID_CARDS", message)
