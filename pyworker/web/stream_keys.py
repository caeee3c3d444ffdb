"""Reads from a URL which keys a page wants to hear of."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import QueryParams

from pyworker.job import Key
from pyworker.web.cards import read_keys
from pyworker.web.problems import ProblemError


def read_stream_keys(parameters: QueryParams, max_keys: int) -> list[Key]:
    """Return the keys, each once, in the order of their first mention.

    Args:
        parameters: `symbol=AAPL&dataTypes=quote,profile`, or `key=quote:AAPL&key=market`: the data
            type, and after the first colon the symbol, if it has symbols. Both at once are taken.
        max_keys: how many different keys are allowed.

    Raises:
        ProblemError: 422, naming what is wrong.
    """
    for name in ("symbol", "dataTypes"):
        if len(parameters.getlist(name)) > 1:
            raise _invalid(f"{name} is there more than once; repeat key=<data type>:<symbol>.")
    cards: list[dict[str, Any]] = []
    if "dataTypes" in parameters:
        data_types = [part for part in parameters["dataTypes"].split(",") if part]
        cards.append({"symbol": parameters.get("symbol"), "dataTypes": data_types})
    elif "symbol" in parameters:
        raise _invalid("dataTypes is missing: send data types with commas between them.")
    for key in parameters.getlist("key"):
        data_type, colon, symbol = key.partition(":")
        cards.append({"symbol": symbol if colon else None, "dataTypes": [data_type]})
    if not cards:
        raise _invalid("Send symbol and dataTypes, or key=<data type>:<symbol> for each key.")
    return read_keys({"cards": cards}, max_keys)


def _invalid(message: str) -> ProblemError:
    return ProblemError(422, "INVALID_KEYS", message)
