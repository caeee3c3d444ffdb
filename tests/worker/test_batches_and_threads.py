"""Batches and threads in a whole worker, on Postgres."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pyworker import Context, Job, RefreshFailed, Row, refresher
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.servers import Database
from tests.worker.in_process import working
from tests.worker.processes import running_worker
from tests.worker.states import job, settled, watch
from tests.worker.waiting import until

pytestmark = pytest.mark.usefixtures("mode")

HANGING = """
import time
from pyworker import refresher

@refresher("{name}")
def hang(job, context):
    print("hanging", flush=True)
    time.sleep(600)
    return []
"""


async def test_a_poisoned_key_is_set_aside_and_the_others_are_fetched(
    database: Database, connection: Connection, register: Register
) -> None:
    """Twelve keys that are due together: one call, and then one for each."""
    quotes = register(backoff_first="0.1 s")
    symbols = [f"S{number}" for number in range(12)]
    calls: list[list[str]] = []

    @refresher(quotes.name, max_batch=50)
    async def fetch(jobs: Sequence[Job], _context: Context) -> Mapping[str, list[Row]]:
        calls.append([each.symbol for each in jobs])
        if "S7" in calls[-1]:
            raise RefreshFailed("S7 is delisted", permanent=True)
        return {each.symbol: [{"price": 1}] for each in jobs}

    async with working(database.url, fetch, concurrency=20):
        watch(connection, quotes, *symbols)
        others = [symbol for symbol in symbols if symbol != "S7"]
        await until(lambda: all(settled(connection, quotes, symbol) for symbol in others))
        await until(lambda: job(connection, quotes, "S7", "j.state::text") == ("failed",))
    assert sorted(calls[0]) == sorted(symbols)
    assert sorted(calls[1:]) == sorted([symbol] for symbol in symbols)
    assert job(connection, quotes, "S7", "j.attempts, j.last_error") == (2, "S7 is delisted")


async def test_a_batch_that_works_is_one_call(
    database: Database, connection: Connection, quotes: DataType
) -> None:
    calls: list[int] = []

    @refresher(quotes.name, max_batch=8)
    async def fetch(jobs: Sequence[Job], _context: Context) -> Mapping[str, list[Row]]:
        calls.append(len(jobs))
        return {each.symbol: [{"price": 1}] for each in jobs}

    async with working(database.url, fetch, concurrency=20):
        watch(connection, quotes, *(f"S{number}" for number in range(20)))
        await until(lambda: settled(connection, quotes, "S19"))
        await until(lambda: sum(calls) == 20)
    assert max(calls) == 8
    assert len(calls) <= 4


def test_a_thread_that_hangs_keeps_no_worker_from_ending(
    database: Database, connection: Connection, quotes: DataType, tmp_path: Path
) -> None:
    """Its key is handed back."""
    (tmp_path / "hanging.py").write_text(HANGING.format(name=quotes.name))
    settings = {"FRESHNESS_REFRESHERS": "hanging", "FRESHNESS_SHUTDOWN_TIMEOUT": "0"}
    with running_worker(tmp_path, "hanging", DATABASE_URL=database.url, **settings) as worker:
        watch(connection, quotes, "AAPL")
        worker.wait_for("refreshing")
        before = time.monotonic()
        assert worker.stop() == 0
        assert time.monotonic() - before < 10
    assert job(connection, quotes, "AAPL", "j.state::text") == ("scheduled",)
