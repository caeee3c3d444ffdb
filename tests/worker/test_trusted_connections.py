"""A connection is asked whether it stands before its use, a trusted one only now and then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyworker import database as pools
from pyworker.connections import Connection as AsyncConnection
from pyworker.connections import make_round_trip
from pyworker.database import Pool, open_pool
from pyworker.queue.calls import Calls
from pyworker.refreshers import Refresher
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import create_data_type
from tests.fixtures.half_open import network_to
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, working
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


async def test_a_doubted_connection_that_leads_nowhere_takes_the_others_with_it(
    database: Database,
) -> None:
    """However much they were trusted: nobody waits for each of them."""
    async with (
        network_to(database.url) as network,
        open_pool(network.url(database.url), 2, trusted_for=60) as pool,
    ):
        async with pool.connection() as one, pool.connection() as other:
            before = {one.info.backend_pid, other.info.backend_pid}
        network.freeze()
        await Calls(pool).doubt()
        async with pool.connection() as one, pool.connection() as other:
            assert not {one.info.backend_pid, other.info.backend_pid} & before


async def test_a_doubted_connection_that_stands_is_kept(database: Database) -> None:
    """There may be no other to be had."""
    async with open_pool(database.url, 1, trusted_for=60) as pool:
        first = await backend(pool)
        await Calls(pool).doubt()
        assert await backend(pool) == first


async def test_a_worker_that_lost_its_listening_connection_doubts_the_others(
    own_database: str,
    connect: Callable[[str], Connection],
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What took one connection without a word may have taken all."""
    doubted: list[Calls] = []

    async def doubt(calls: Calls) -> None:
        doubted.append(calls)

    monkeypatch.setattr(Calls, "doubt", doubt)
    connection = connect(own_database)
    quotes = create_data_type(connection)
    async with working(own_database, Refresher(quotes.name, recorder)):
        assert not doubted
        connection.execute(
            "select pg_terminate_backend(a.pid, 5000) from pg_stat_activity as a where"
            " a.datname = current_database() and a.application_name = 'freshness listener'"
        )
        await until(lambda: len(doubted) == 2)


async def backend(pool: Pool) -> int:
    """Use the pool's connection; return which it was."""
    async with pool.connection() as connection:
        found = await (await connection.execute("select pg_backend_pid()")).fetchone()
    assert found is not None
    return int(found[0])
