"""The one that keeps the time for all is killed, and the others, who sleep on, are left alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.servers import Database
from tests.worker.processes import WorkerProcess, fetch_over_http, running_worker
from tests.worker.provider import Provider
from tests.worker.states import settled, watch
from tests.worker.waiting import wait_until

HEARTBEAT_LIMIT = 1.0
ALLOWED = HEARTBEAT_LIMIT + 1
ASLEEP = """
    select count(*) = 3 from freshness.sleepers as s
    where s.asleep_until = 'infinity' and %s = any (s.data_types)
"""
RUNS = "select worker from freshness.jobs where data_type = %s and state = 'running'"
KEEPS_TIME = """
    select worker from freshness.sleepers
    where %s = any (data_types) and asleep_until between clock_timestamp() and 'tomorrow'
    order by asleep_until limit 1
"""


@pytest.fixture
def short_quotes(register: Register) -> DataType:
    """Quotes that are fresh for three seconds."""
    return register(ttl="3 seconds")


@pytest.fixture
def workers(
    database: Database,
    connection: Connection,
    short_quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> Iterator[list[WorkerProcess]]:
    """Three workers that know of nothing and sleep."""
    settings = {
        "DATABASE_URL": database.url,
        "FRESHNESS_HEARTBEAT_LIMIT": HEARTBEAT_LIMIT,
    }
    fetch_over_http(tmp_path, provider.url, short_quotes.name)
    with ExitStack() as stack:
        running = [
            stack.enter_context(running_worker(tmp_path, f"w{number}", **settings))
            for number in range(3)
        ]
        wait_until(lambda: connection.execute(ASLEEP, [short_quotes.name]).fetchone() == (True,))
        yield running


def kill(workers: list[WorkerProcess], number: int) -> float:
    """End the worker of this number at once, and return when (s)."""
    (found,) = (w for w in workers if w.events("worker_started")[0]["id"] == number)
    found.process.kill()
    found.process.wait()
    return time.monotonic()


def request(connection: Connection, quotes: DataType, symbol: str) -> None:
    """Ask for a key; its job is handed over to a sleeper."""
    connection.execute("select freshness.request(%s, array[%s])", [quotes.name, symbol])


@pytest.mark.parametrize("interest", [watch, request])
def test_what_a_killed_worker_ran_is_taken_over_when_its_heartbeat_is_missed(
    interest: Callable[[Connection, DataType, str], None],
    connection: Connection,
    short_quotes: DataType,
    provider: Provider,
    workers: list[WorkerProcess],
) -> None:
    """The others slept without end when it was told of the job."""
    provider.respond = provider.hold_the_first_call
    interest(connection, short_quotes, "AAPL")
    wait_until(lambda: provider.calls)
    [number] = connection.execute(RUNS, [short_quotes.name]).fetchone() or (0,)
    killed_at = kill(workers, number)
    wait_until(lambda: len(provider.calls) == 2, 10)
    assert time.monotonic() - killed_at < ALLOWED
    provider.release.set()


def test_a_deadline_is_met_though_the_timekeeper_was_killed(
    connection: Connection,
    short_quotes: DataType,
    provider: Provider,
    workers: list[WorkerProcess],
) -> None:
    """Whoever was its understudy is there at most a second later."""
    watch(connection, short_quotes, "AAPL")
    wait_until(lambda: settled(connection, short_quotes, "AAPL"))
    # The understudy looks once when the heartbeat would have been missed.
    wait_until(lambda: len(provider.calls) == 2, 10)
    wait_until(lambda: settled(connection, short_quotes, "AAPL"))
    keeper = connection.execute(KEEPS_TIME, [short_quotes.name]).fetchone()
    [number] = (
        keeper
        or connection.execute(
            "select worker from freshness.events where data_type = %s and kind = 'fresh'"
            " order by id desc limit 1",
            [short_quotes.name],
        ).fetchone()
        or (0,)
    )
    kill(workers, number)
    told_at = time.monotonic()
    wait_until(lambda: len(provider.calls) == 3, 10)
    assert time.monotonic() - told_at < 3 + ALLOWED
