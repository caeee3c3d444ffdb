"""The data table of the in-memory queue: which rows it takes, and which it refuses."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pyworker.errors import SAME_KEY, RowsRejected
from pyworker.job import Job, Row
from pyworker.row_json import rows_as_json
from pyworker.testing.memory_key import NEVER, MemoryKey, latest, moment_of


@dataclass(frozen=True, slots=True)
class MemoryTable:
    """Its columns (None: any), and which of them is the symbol's (None: one for all)."""

    symbol_column: str | None
    timestamp_column: str
    key_columns: Sequence[str]
    columns: Collection[str] | None

    def store(
        self, key: MemoryKey, job: Job, rows: Sequence[Row], now: datetime, ttl: timedelta
    ) -> str:
        """Store the rows of a refresh if they are as new as the stored ones; returns its outcome.

        Raises:
            RowsRejected: they are not, or not rows of that key and table.
        """
        prepared = self.prepare(job.symbol, rows, job.started_at)
        if len({self._place(row) for row in prepared}) < len(prepared):
            raise RowsRejected(SAME_KEY)
        newest = max((moment_of(row[self.timestamp_column]) for row in prepared), default=None)
        stored_at = key.stored_at(self.timestamp_column, latest(now, ttl))
        before = min(job.stored_at or NEVER, job.started_at)
        if newest is not None and newest < before:
            raise RowsRejected(f"rows of {newest} are older than the stored ones of {before}")
        if newest is not None and newest < (stored_at or NEVER) <= now:
            return "superseded"
        self.write(key, prepared, now)
        if newest is None:
            return "missing"
        if newest != job.stored_at:
            return "fresh"
        is_dated = any(row.get(self.timestamp_column) is not None for row in rows)
        stale_since = key.fresh_until(self.timestamp_column, ttl, now, verified=False)
        is_stale = is_dated and stale_since is not None and stale_since <= now
        return "stale" if is_stale else "unchanged"

    def write(self, key: MemoryKey, rows: Sequence[Row], now: datetime | None = None) -> None:
        """Insert or update rows by the key columns.

        With `now` a stored one that is newer stays, unless it is from the future.
        """
        for row in rows:
            place = self._place(row)
            old = key.rows.get(place, {})
            if not old or now is None or not self._moment(row) < self._moment(old) <= now:
                key.rows[place] = {**old, **row}

    def prepare(self, symbol: str, rows: Sequence[Row], as_of: datetime) -> list[Row]:
        """Return the rows with their symbol, and `as_of` where they carry no timestamp.

        Raises:
            RowsRejected: one is no mapping, of another symbol, or has a column that is not there.
        """
        return [self._prepare(symbol, row, as_of) for row in rows]

    def _prepare(self, symbol: str, row: Any, as_of: datetime) -> Row:
        if not isinstance(row, Mapping):
            raise _mismatch("a refresher returns a list of rows, each a mapping of columns")
        given = None if self.symbol_column is None else row.get(self.symbol_column)
        if given is not None and str(given) != symbol:
            raise RowsRejected(f"rows for another symbol: {given}, asked for {symbol}")
        unknown = set(row) - set(self.columns or row) - {self.symbol_column, self.timestamp_column}
        if unknown:
            raise _mismatch(f'column "{min(unknown)}" does not exist')
        # As it would be sent; what is kept is as it was given.
        rows_as_json([dict(row)])
        at = row.get(self.timestamp_column)
        moment = as_of if at is None else _read_moment(self.timestamp_column, at)
        own = {} if self.symbol_column is None else {self.symbol_column: symbol}
        return {**row, **own, self.timestamp_column: moment}

    def _place(self, row: Row) -> tuple[Any, ...]:
        return tuple(row.get(column) for column in self.key_columns)

    def _moment(self, row: Row) -> datetime:
        return moment_of(row[self.timestamp_column])


def _read_moment(column: str, value: Any) -> datetime:
    try:
        return moment_of(re.sub(r"Z$", "+00:00", value) if isinstance(value, str) else value)
    except ValueError:
        raise _mismatch(f"{column} is no timestamp: {value!r}") from None


def _mismatch(message: str) -> RowsRejected:
    error = RowsRejected(message)
    error.permanent = True
    return error
