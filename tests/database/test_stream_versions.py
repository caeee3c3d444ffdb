"""Versions of streamed states, where a refresh ends at the same moment as a stream opens."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType

OPEN = """
select status, version from freshness.open_streams(
    array[%s], array[%s], array['AAPL'], array['service_role'], '1 minute', null
)
"""
CLAIM = "select fence from freshness.claim(%s, array[%s], 1)"
FINISH = """
select outcome from freshness.finish(
    %s, 'AAPL', %s, jsonb_build_array(
        jsonb_build_object('symbol', 'AAPL', 'price', 1, 'fetched_at', clock_timestamp())
    )
)
"""
LAST_EVENT = "select max(id) from freshness.events where data_type = %s"
IS_BLOCKED = """
select exists (
    select from pg_stat_activity as a where a.pid = %s and cardinality(pg_blocking_pids(a.pid)) > 0
)
"""


@pytest.fixture
def worker(connection: Connection) -> Iterator[int]:
    [number] = connection.execute(
        "select freshness.announce_worker('versions', '1 minute')"
    ).fetchone() or (0,)
    yield number
    connection.execute("select freshness.dismiss_worker(%s)", [number])


def running(connection: Connection, quotes: DataType, worker: int) -> int:
    """Ask for a key and claim it; returns the fence."""
    connection.execute("select freshness.request(%s, '{AAPL}', true)", [quotes.name])
    [fence] = connection.execute(CLAIM, [worker, quotes.name]).fetchone() or (0,)
    assert fence
    return int(fence)


def opened(connection: Connection, quotes: DataType, name: str) -> tuple[str, int]:
    """Open a stream; returns its state and version."""
    [status, version] = connection.execute(OPEN, [name, quotes.name]).fetchone() or ("", 0)
    return status, version


def test_a_stream_that_opens_while_a_refresh_ends_waits_for_its_end(
    connect: Connect, connection: Connection, quotes: DataType, worker: int
) -> None:
    fence = running(connection, quotes, worker)
    ending, opening = connect(), connect()
    [pid] = opening.execute("select pg_backend_pid()").fetchone() or (0,)
    found: list[tuple[str, int]] = []
    thread = threading.Thread(target=lambda: found.append(opened(opening, quotes, "stream:1")))
    with ending.transaction():
        ending.execute(FINISH, [quotes.name, fence])
        thread.start()
        while not (connection.execute(IS_BLOCKED, [pid]).fetchone() or (False,))[0]:
            assert thread.is_alive()
    thread.join(10)
    [last] = connection.execute(LAST_EVENT, [quotes.name]).fetchone() or (0,)
    [(status, version)] = found
    assert status == "fresh"
    assert version > last


def test_what_ends_after_a_stream_has_opened_has_a_greater_version(
    connect: Connect, connection: Connection, quotes: DataType, worker: int
) -> None:
    fence = running(connection, quotes, worker)
    opening, ending = connect(), connect()
    [pid] = ending.execute("select pg_backend_pid()").fetchone() or (0,)
    thread = threading.Thread(target=lambda: ending.execute(FINISH, [quotes.name, fence]))
    with opening.transaction():
        status, version = opened(opening, quotes, "stream:1")
        thread.start()
        while not (connection.execute(IS_BLOCKED, [pid]).fetchone() or (False,))[0]:
            assert thread.is_alive()
    thread.join(10)
    [last] = connection.execute(LAST_EVENT, [quotes.name]).fetchone() or (0,)
    assert status == "refreshing"
    assert version < last


def test_streams_that_open_at_once_on_the_same_keys_do_not_wait_in_a_circle(
    connect: Connect, connection: Connection, quotes: DataType
) -> None:
    symbols = [f"S{number}" for number in range(50)]
    errors: list[Exception] = []

    def open_all(name: str, order: list[str]) -> None:
        own = connect()
        try:
            for _ in range(5):
                own.execute(
                    "select freshness.open_streams(array_fill(%s::text, array[50]),"
                    " array_fill(%s::text, array[50]), %s,"
                    " array_fill('service_role'::text, array[50]), '1 minute', null)",
                    [name, quotes.name, order],
                )
        except Exception as error:
            errors.append(error)

    threads = [
        threading.Thread(
            target=open_all, args=(f"stream:{number}", symbols[:: 1 if number % 2 else -1])
        )
        for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    found = connection.execute(
        "select count(*), count(distinct symbol) from freshness.watches where data_type = %s",
        [quotes.name],
    ).fetchone()
    assert found == (300, 50)
