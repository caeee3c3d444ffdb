"""Two workers on one database never fetch the same key at once, and a late result is refused."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.worker.processes import fetch_over_http, running_worker
from tests.worker.provider import Answer, Provider
from tests.worker.states import events, price, settled, watch
from tests.worker.waiting import wait_until

pytestmark = pytest.mark.usefixtures("mode")

ALL_FRESH = """
    select count(*) = 200 from freshness.jobs
    where data_type = %s and state = 'scheduled' and fresh_until > clock_timestamp()
"""


def test_each_of_200_due_keys_is_fetched_once(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> None:
    """The first answers wait until both workers have begun, so that both take part."""

    def respond(_path: str, number: int) -> Answer:
        if len(provider.calls) > 5:
            provider.release.set()
        provider.release.wait(20)
        return Answer({"price": number})

    provider.respond = respond
    fetch_over_http(tmp_path, provider.url, quotes.name)
    symbols = [f"S{number}" for number in range(200)]
    watch(connection, quotes, *symbols)
    settings = {"DATABASE_URL": database.url, "FRESHNESS_CONCURRENCY": 5}
    with (
        running_worker(tmp_path, "first", **settings) as first,
        running_worker(tmp_path, "second", **settings) as second,
    ):
        wait_until(lambda: connection.execute(ALL_FRESH, [quotes.name]).fetchone() == (True,))
        assert (first.stop(), second.stop()) == (0, 0)
    assert sorted(provider.calls) == sorted(f"/{symbol}" for symbol in symbols)
    assert set(provider.at_once.values()) == {1}
    assert min(len(worker.events("refreshed")) for worker in (first, second)) > 0


def test_the_result_of_a_worker_that_slept_through_its_limit_is_refused(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> None:
    """Stopped, taken over, continued: the other worker's data stays, and it goes on working."""
    provider.respond = provider.hold_the_first_call
    fetch_over_http(tmp_path, provider.url, quotes.name)
    settings = {"DATABASE_URL": database.url, "FRESHNESS_HEARTBEAT_LIMIT": 1}
    with running_worker(tmp_path, "first", **settings) as first:
        watch(connection, quotes, "AAPL")
        wait_until(lambda: provider.calls)
        first.process.send_signal(signal.SIGSTOP)
        with running_worker(tmp_path, "second", **settings) as second:
            wait_until(lambda: settled(connection, quotes, "AAPL"))
            assert second.stop() == 0
        first.process.send_signal(signal.SIGCONT)
        provider.release.set()
        first.wait_for("refresh_lost")
        assert price(connection, quotes, "AAPL") == 2
        watch(connection, quotes, "MSFT")
        provider.release.set()
        wait_until(lambda: settled(connection, quotes, "MSFT"))
        assert first.stop() == 0
    assert events(connection, quotes, "AAPL") == ["taken_over", "fresh"]
    assert provider.calls == ["/AAPL", "/AAPL", "/MSFT"]
