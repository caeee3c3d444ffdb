"""Moments of the database that Python has no word for: before the year 1, after 9999, infinite."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.datetime import TimestamptzLoader

# A day within what Python knows, so that any zone can show them.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def read_all_moments(connection: psycopg.AsyncConnection[Any]) -> None:
    """Have a connection read each timestamptz, as `EARLIEST` or `LATEST` if need be.

    Anybody who writes a data table may store one, and an answer about many keys has to be read.
    """
    oid = psycopg.postgres.types["timestamptz"].oid
    usual = connection.adapters.get_loader(oid, Format.TEXT) or TimestamptzLoader

    class MomentLoader(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._usual = usual(oid, context)

        def load(self, data: Buffer) -> datetime:
            with suppress(psycopg.DataError):
                return self._usual.load(data)  # type: ignore[no-any-return]
            text = bytes(data)
            return EARLIEST if text.endswith(b" BC") or text.startswith(b"-") else LATEST

    connection.adapters.register_loader("timestamptz", MomentLoader)
