"""From the JSON of an answer to rows: fields by their paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyworker.job import Row
from pyworker.outcomes import RefreshFailed

UNITS = {"seconds": 1.0, "milliseconds": 0.001}


@dataclass(frozen=True, slots=True)
class RowMapping:
    """Column -> path of its field; `epochs`: column -> unit of times that are numbers."""

    columns: Mapping[str, str]
    epochs: Mapping[str, str] = field(default_factory=dict)

    def row(self, fields: Any) -> Row:
        """Map one row of an answer.

        Raises:
            RefreshFailed: it lacks a field, or has a time that is none.
        """
        return {
            column: self._value(column, field_of(fields, path, "a row of the answer"))
            for column, path in self.columns.items()
        }

    def _value(self, column: str, value: Any) -> Any:
        unit = self.epochs.get(column)
        if unit is None or value is None:
            return value
        try:
            return datetime.fromtimestamp(float(value) * UNITS[unit], UTC)
        except (TypeError, ValueError, OverflowError, OSError) as error:
            raise RefreshFailed(f"{column} is no number of {unit} since 1970") from error


def field_of(value: Any, path: str, where: str) -> Any:
    """Return the field at a path such as `data.items.0`; an empty path is the value itself.

    A name can have dots of its own, as in `quote.05. price`.

    Raises:
        RefreshFailed: there is none, which no further attempt will change.
    """
    left = [part for part in path.split(".") if part]
    while left:
        try:
            value, left = _step(value, left)
        except LookupError:
            raise RefreshFailed(f"{where} has no field {path}", permanent=True) from None
    return value


def _step(value: Any, names: list[str]) -> tuple[Any, list[str]]:
    if isinstance(value, list) and names[0].isdecimal():
        return value[int(names[0])], names[1:]
    for length in range(1, len(names) + 1) if isinstance(value, dict) else ():
        name = ".".join(names[:length])
        if name in value:
            return value[name], names[length:]
    raise LookupError
