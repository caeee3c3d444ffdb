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

    Raises:
        RefreshFailed: there is none, which no further attempt will change.
    """
    for name in filter(None, path.split(".")):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise RefreshFailed(f"{where} has no field {path}", permanent=True)
    return value
