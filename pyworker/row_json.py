"""Rows as JSON, from which the data table's types read them back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from pyworker.errors import RowsRejected


def rows_as_json(rows: Sequence[Any]) -> str:
    """Return rows as JSON: dates, decimals, uuids and the like as text, bytes as Postgres' hex.

    Raises:
        RowsRejected: a value has no such form; the column is named.
    """
    try:
        return _dumps(rows)
    except (TypeError, ValueError, RecursionError) as error:
        raise RowsRejected(_what_is_wrong(rows) or f"the rows are no JSON: {error}") from error


def _dumps(value: Any) -> str:
    # NaN is no JSON.
    return json.dumps(value, default=_text, allow_nan=False)


def _text(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"\\x{value.hex()}"
    if getattr(type(value), "__str__") is object.__str__:  # noqa: B009 - mypy takes it for a call
        # Its text would be one for programmers, such as <Quote object at 0x7f...>.
        raise TypeError(f"a {type(value).__name__} has no text of its own")
    return str(value)


def _what_is_wrong(rows: Sequence[Any]) -> str | None:
    for row in rows:
        for column, value in row.items() if isinstance(row, Mapping) else ():
            try:
                _dumps({column: value})
            except (TypeError, ValueError, RecursionError) as error:
                return f"{column} cannot be stored: {error}"
    return None
