"""Where LISTEN is accepted and stays silent the worker finds out, says so, and polls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from structlog.testing import capture_logs

from pyworker.backoff import Backoff
from pyworker.database import open_pool
from pyworker.long_poll import LongPoll
from pyworker.refreshers import Refresher
from pyworker.wake_token import WakeToken
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.poolers import Pooler
from tests.fixtures.servers import Database, as_superuser
from tests.worker.in_process import Recorder, listening, working
from tests.worker.processes import fetch_over_http, running_worker
from tests.worker.provider import Provider
from tests.worker.states import settled, watch
from tests.worker.waiting import until, wait_until

POLLING = LongPoll(enabled=False, fallback_poll_interval=0.5)
LISTENERS = "select count(*) from pg_stat_activity where application_name = 'freshness listener'"


async def test_the_listener_finds_out_that_notifications_do_not_arrive(
    database: Database, pooler: Pooler
) -> None:
    """By a notification from another connection."""
    async with listening(pooler.url(database.url), patience=0.5) as (listener, tokens):
        await until(lambda: tokens)
        report = listener.report()
        assert listener.sleeper is None
    assert (report.running, report.connection_healthy, report.mode) == (True, False, "polling")
    assert "transaction pooler" in str(report.reason)


async def test_a_server_that_was_silent_is_asked_again(database: Database, pooler: Pooler) -> None:
    """It may only have been slow; that it still is silent is not said twice."""
    with capture_logs() as logs:
        async with listening(
            pooler.url(database.url), patience=0.1, asking_again=Backoff(0.1, 0.2)
        ) as (listener, _):
            await until(lambda: listener.report().reconnect_attempts >= 3)
    assert [entry["event"] for entry in logs] == ["polling_only"]


async def test_a_notification_to_oneself_proves_nothing(database: Database, pooler: Pooler) -> None:
    """It arrives within its own transaction, and those of others after it do not."""
    url = pooler.url(database.url)
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, prepare_threshold=None
    ) as connection:
        async with connection.transaction():
            await connection.execute("listen a_channel")
            await connection.execute("select pg_notify('a_channel', '')")
        own = [each async for each in connection.notifies(timeout=0.2)]
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
            await other.execute("select pg_notify('a_channel', '')")
        of_others = [each async for each in connection.notifies(timeout=0.2)]
        await connection.execute("unlisten *")
    assert (len(own), of_others) == (1, [])


async def test_the_listener_of_a_direct_connection_hears_itself(database: Database) -> None:
    async with listening(database.url) as (listener, tokens):
        await until(lambda: tokens)
        report = listener.report()
    assert (report.connection_healthy, report.mode, report.reason) == (True, "listening", None)
    assert tokens[0] == WakeToken()


async def test_a_server_that_refuses_is_polled(
    own_database: str, connect: Callable[[str], Connection]
) -> None:
    """For a reason that another attempt would not change: it is said, not raised."""
    connect(as_superuser(own_database)).execute(
        "revoke execute on function pg_notify(text, text) from public"
    )
    async with listening(own_database) as (listener, tokens):
        await until(lambda: tokens)
        report = listener.report()
    assert (report.running, report.mode) == (True, "polling")
    assert "permission denied" in str(report.reason)


def test_a_worker_behind_a_transaction_pooler_polls_and_says_so(
    database: Database,
    pooler: Pooler,
    connection: Connection,
    quotes: DataType,
    *,
    provider: Provider,
    tmp_path: Path,
) -> None:
    """Nothing is configured; each of its statements may run on another connection."""
    fetch_over_http(tmp_path, provider.url, quotes.name)
    url = pooler.url(database.url)
    with running_worker(tmp_path, "w", "polling_only", DATABASE_URL=url) as worker:
        for symbol in (f"S{number}" for number in range(12)):
            watch(connection, quotes, symbol)
            wait_until(lambda symbol=symbol: settled(connection, quotes, symbol))  # type: ignore[misc]
        assert worker.stop() == 0
    (said,) = worker.events("polling_only")
    assert "transaction pooler" in said["reason"]
    assert worker.events("database_unavailable") == []
    assert len(provider.calls) == 12


async def test_statements_are_prepared_on_direct_connections_only(
    database: Database, pooler: Pooler
) -> None:
    """A prepared statement is not there on the next connection of a pooler."""
    async with (
        open_pool(database.url, 1) as direct,
        open_pool(pooler.url(database.url), 1) as pooled,
        direct.connection() as one,
        pooled.connection() as other,
    ):
        assert one.prepare_threshold is not None
        assert other.prepare_threshold is None


async def test_a_worker_that_may_not_listen_does_not(
    own_database: str, connect: Callable[[str], Connection], recorder: Recorder, register: Register
) -> None:
    """Switched off by the setting, although it could."""
    async with working(
        own_database, Refresher(register().name, recorder), long_poll=POLLING
    ) as listener:
        await until(lambda: "switched off" in str(listener.report().reason))
        assert connect(own_database).execute(LISTENERS).fetchone() == (0,)


async def test_a_request_is_seen_within_the_poll_interval(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """However long it has been quiet."""
    async with working(database.url, Refresher(quotes.name, recorder), long_poll=POLLING):
        await asyncio.sleep(2)
        began = time.monotonic()
        watch(connection, quotes, "AAPL")
        await recorder.fetched(1)
    assert time.monotonic() - began < 0.5 + 1


async def test_a_known_deadline_is_met_by_a_worker_that_polls_rarely(
    database: Database, connection: Connection, register: Register, recorder: Recorder
) -> None:
    """It sleeps until then, whatever the interval."""
    quotes = register(ttl="1 second")
    rarely = LongPoll(enabled=False, fallback_poll_interval=3600)
    watch(connection, quotes, "AAPL")
    async with working(database.url, Refresher(quotes.name, recorder), long_poll=rarely):
        await recorder.fetched(4)
    late = [(job.started_at - job.due_at).total_seconds() for job in recorder.jobs[1:4]]
    # The median: the machine may be busy.
    assert sorted(late)[1] < 0.05
