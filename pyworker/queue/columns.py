"""Arguments as Postgres takes them: a column for each part of several things, and plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pyworker.job import Ending, Key


def key_columns(keys: Iterable[Key]) -> tuple[list[str], list[str]]:
    """Return the data types and the symbols of keys."""
    asked = list(keys)
    return [key.data_type for key in asked], [key.symbol for key in asked]


def watch_columns(
    watches: Sequence[tuple[str, Key]],
) -> tuple[list[str], list[str], list[str]]:
    """Return the streams, and the data types and symbols that they watch."""
    return [stream for stream, _ in watches], *key_columns(key for _, key in watches)


def ending_columns(endings: Sequence[Ending]) -> list[list[Any] | None]:
    """Return what freshness.turn takes of the ends of refreshes."""
    if not endings:
        return [None] * 7
    return [
        [each.job.data_type for each in endings],
        [each.job.symbol for each in endings],
        [each.job.fence for each in endings],
        _column(each.rows for each in endings),
        _column(each.validators for each in endings),
        _column(each.received for each in endings),
        _column(each.calls for each in endings),
    ]


def _column(values: Iterable[Any]) -> list[Any] | None:
    # To write out a column costs more than to look whether there is anything in it.
    column = list(values)
    return column if any(value is not None for value in column) else None


def storable(text: str) -> str:
    """Return a text without what Postgres does not take: NUL, and half a surrogate pair."""
    return text.replace("\0", "").encode(errors="replace").decode()
