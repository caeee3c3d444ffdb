"""The first signal finishes what runs, the second hands it back at once; nothing is left."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.processes import WorkerProcess, fetch_over_http, running_worker
from tests.worker.provider import Provider
from tests.worker.states import events, job, settled, watch
from tests.worker.waiting import wait_until

pytestmark = pytest.mark.usefixtures("mode")

STUBBORN = """
import asyncio
from pyworker import refresher

@refresher("{name}")
async def fetch(job, context):
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
"""
AT_ONCE = 4.0


def ends(worker: WorkerProcess) -> float:
    """Wait for its end with status 0; returns how long that took (s)."""
    began = time.monotonic()
    assert worker.process.wait(20) == 0, worker.log()
    return time.monotonic() - began


def handed_back(worker: WorkerProcess, connection: Connection, quotes: DataType) -> None:
    """Check that AAPL is due at once, its attempt uncounted, and that the worker is forgotten."""
    assert worker.events("worker_stopped")[0]["handed_back"] == 1
    found = job(connection, quotes, "AAPL", "j.state::text, j.attempts, j.due_at <= now()")
    assert found == ("scheduled", 0, True)
    assert events(connection, quotes, "AAPL") == ["handed_back"]
    known = "select count(*) from freshness.workers where id = %s"
    assert connection.execute(known, [worker.events("worker_started")[0]["id"]]).fetchone() == (0,)
    assert "Traceback" not in worker.log()


@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)],
    ids=["two-sigterms", "ctrl-c-then-sigterm"],
)
def test_a_second_signal_hands_back_at_once(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
    *,
    first: signal.Signals,
    second: signal.Signals,
) -> None:
    """Although the limit for finishing is half a minute."""
    provider.respond = provider.hold_the_first_call
    fetch_over_http(tmp_path, provider.url, quotes.name)
    with running_worker(tmp_path, "w", DATABASE_URL=database.url) as worker:
        watch(connection, quotes, "AAPL")
        wait_until(lambda: provider.calls)
        worker.process.send_signal(first)
        worker.wait_for("finishing")
        assert worker.process.poll() is None
        worker.process.send_signal(second)
        assert ends(worker) < AT_ONCE
    handed_back(worker, connection, quotes)


def test_nothing_is_claimed_after_the_first_signal(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> None:
    """What became due meanwhile is left to others, and what runs is finished."""
    provider.respond = provider.hold_the_first_call
    fetch_over_http(tmp_path, provider.url, quotes.name)
    settings = {"DATABASE_URL": database.url, "FRESHNESS_CONCURRENCY": 2}
    with running_worker(tmp_path, "w", **settings) as worker:
        watch(connection, quotes, "AAPL")
        wait_until(lambda: provider.calls)
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("finishing")
        watch(connection, quotes, "MSFT")
        provider.release.set()
        ends(worker)
    assert settled(connection, quotes, "AAPL")
    assert provider.calls == ["/AAPL"]
    assert job(connection, quotes, "MSFT", "j.state::text") == ("scheduled",)


@pytest.mark.parametrize("signals", [1, 2])
def test_a_refresher_that_does_not_let_itself_be_cancelled_keeps_no_worker_from_ending(
    database: Database, connection: Connection, quotes: DataType, tmp_path: Path, signals: int
) -> None:
    """Its fence is void; what it may still do does not count."""
    (tmp_path / "stubborn.py").write_text(STUBBORN.format(name=quotes.name))
    settings = {
        "DATABASE_URL": database.url,
        "FRESHNESS_REFRESHERS": "stubborn",
        "FRESHNESS_SHUTDOWN_TIMEOUT": 0.1 if signals == 1 else 30,
    }
    with running_worker(tmp_path, "w", **settings) as worker:
        watch(connection, quotes, "AAPL")
        worker.wait_for("refreshing")
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("finishing")
        if signals == 2:
            worker.process.send_signal(signal.SIGTERM)
            assert ends(worker) < AT_ONCE
        else:
            ends(worker)
    handed_back(worker, connection, quotes)


def test_two_signals_end_an_idle_worker(
    database: Database, quotes: DataType, provider: Provider, tmp_path: Path
) -> None:
    fetch_over_http(tmp_path, provider.url, quotes.name)
    with running_worker(tmp_path, "w", DATABASE_URL=database.url) as worker:
        worker.process.send_signal(signal.SIGINT)
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(20) == 0
    assert "Traceback" not in worker.log()
