"""Calls of SQL functions over a pool: its connections, their limits, their errors, their rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import AsyncRowFactory, scalar_row
from psycopg_pool import PoolTimeout

from pyworker.connections import make_round_trip, severed_after
from pyworker.database import PATIENCE, Pool, open_pool, translated
from pyworker.errors import DatabaseUnavailable

T = TypeVar("T")

# As the limit of a call: that of all.
_OWN = -1.0


class Calls:
    """Calls the SQL functions of schema freshness; each call is one transaction.

    Raises, from every call: `DatabaseUnavailable` when Postgres cannot be reached or does not
    answer within `limit` (s; the sweep may take longer), the errors of `pyworker.errors` for what
    the functions refuse.
    """

    queries = 0
    """How many have been made through this object."""

    def __init__(self, pool: Pool, limit: float | None = None) -> None:
        self._pool = pool
        self._limit = limit

    async def rows(
        self,
        statement: LiteralString,
        parameters: Sequence[Any],
        factory: AsyncRowFactory[T],
        limit: float | None = _OWN,
    ) -> list[T]:
        """Return what a statement returns; `limit` (s) if it is another one, None: no limit."""
        async with (
            self._connection(limit) as connection,
            connection.cursor(row_factory=factory) as cursor,
        ):
            self.queries += 1
            await cursor.execute(statement, parameters)
            return await cursor.fetchall()

    async def value(
        self, statement: LiteralString, parameters: Sequence[Any] = (), limit: float | None = _OWN
    ) -> Any:
        """Return the one value that a statement returns."""
        [value] = await self.rows(statement, parameters, scalar_row, limit)
        return value

    async def replaces_lost(self, error: DatabaseUnavailable) -> bool:
        """Replace the connections that are lost; False when there was none to be had at all.

        Only after True is it worth asking again.
        """
        if isinstance(error.__cause__, PoolTimeout):
            return False
        await self._pool.check()
        return True

    async def doubt(self) -> None:
        """Ask a connection whether it still stands; if it does not, all are replaced."""
        try:
            async with self._connection() as connection:
                await make_round_trip(connection, PATIENCE)
        except DatabaseUnavailable as error:
            if not isinstance(error.__cause__, PoolTimeout):
                await self._pool.drain()

    @asynccontextmanager
    async def _connection(
        self, limit: float | None = _OWN
    ) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        seconds = self._limit if limit == _OWN else limit
        try:
            async with self._pool.connection() as connection:
                with severed_after(connection, seconds):
                    yield connection
        except (psycopg.Error, PoolTimeout) as error:
            ours = translated(error)
            if ours is None:
                raise
            raise ours from error


@asynccontextmanager
async def open_calls(
    database_url: str,
    connections: int,
    limit: float | None = 30.0,
    *,
    checks: bool = True,
    trusted_for: float = 0.0,
) -> AsyncIterator[Calls]:
    """Open a pool of at most `connections` and yield the calls over it; see `open_pool`."""
    async with open_pool(database_url, connections, checks=checks, trusted_for=trusted_for) as pool:
        yield Calls(pool, limit)
