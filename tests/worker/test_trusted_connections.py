"""A connection is asked whether it stands before its use, a trusted one only now and then."""

from __future__ import annotations

import pytest

from pyworker import database as pools
from pyworker.connections import Connection as AsyncConnection
from pyworker.connections import make_round_trip
from pyworker.database import Pool, open_pool
from tests.fixtures.connections import Connection
from tests.fixtures.servers import Database
from tests.worker.waiting import until


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the backends that were asked, in order."""
    found: list[int] = []

    async def note(connection: AsyncConnection, seconds: float) -> None:
        found.append(connection.info.backend_pid)
        await make_round_trip(connection, seconds)

    monkeypatch.setattr(pools, "make_round_trip", note)
    return found


async def test_each_use_asks_unless_the_connection_is_trusted(
    database: Database, asked: list[int]
) -> None:
    """Whoever can bear a lost connection need not wait for two answers."""
    async with open_pool(database.url, 1) as pool:
        assert await backend(pool) == await backend(pool)
    assert len(asked) == 2
    asked.clear()
    async with open_pool(database.url, 1, trusted_for=60) as pool:
        assert await backend(pool) == await backend(pool)
    assert len(asked) == 1


async def test_a_trusted_connection_that_has_ended_is_replaced_before_its_use(
    database: Database, connection: Connection
) -> None:
    """It has said so by itself."""
    async with open_pool(database.url, 1, trusted_for=60) as pool:
        first = await backend(pool)
        connection.execute("select pg_terminate_backend(%s)", (first,))
        await until(
            lambda: (
                connection.execute(
                    "select from pg_stat_activity where pid = %s", (first,)
                ).fetchone()
                is None
            )
        )
        assert await backend(pool) != first


async def backend(pool: Pool) -> int:
    """Use the pool's connection; return which it was."""
    async with pool.connection() as connection:
        found = await (await connection.execute("select pg_backend_pid()")).fetchone()
    assert found is not None
    return int(found[0])
