"""Parts that the tests of the client share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from pyworker import Client
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder
from tests.worker.provider import Provider, running_provider


@dataclass(frozen=True)
class Listeners:
    """Those who listen for keys of a data type."""

    connection: Connection
    data_type: str

    def __call__(self) -> int:
        """Count: for how many keys how many processes listen."""
        return len(self.are_alive())

    def are_alive(self) -> list[bool]:
        """Say of each whether its connection is there."""
        rows = self.connection.execute(
            "select l.backend in (select a.pid from pg_stat_activity as a)"
            " from freshness.listeners as l where l.data_type = %s",
            [self.data_type],
        )
        return [row[0] for row in rows.fetchall()]

    def cut_off(self) -> None:
        """End their connections."""
        self.connection.execute(
            "select pg_terminate_backend(l.backend, 5000) from freshness.listeners as l"
            " where l.data_type = %s",
            [self.data_type],
        )


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A data provider over HTTP."""
    with running_provider() as running:
        yield running


@pytest.fixture
def recorder() -> Recorder:
    """A refresher that notes its jobs."""
    return Recorder()


@pytest.fixture
async def client(database: Database) -> AsyncIterator[Client]:
    """A client of the session's database."""
    async with Client(database.url) as opened:
        yield opened


@pytest.fixture
def listeners(connection: Connection, quotes: DataType) -> Listeners:
    """`listeners()`: for how many keys of the data type how many processes listen."""
    return Listeners(connection, quotes.name)
