"""The listener finds each loss, comes back by itself, and says how it is going."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest
from structlog.testing import capture_logs

from pyworker.backoff import Backoff
from pyworker.connections import make_round_trip
from pyworker.errors import DatabaseUnavailable
from pyworker.listener import Listener
from pyworker.local.cluster import free_port
from pyworker.long_poll import LongPoll
from pyworker.queue.calls import open_calls
from pyworker.queue.members import MemberQueue
from pyworker.refreshers import Refresher
from pyworker.wake_token import WakeToken
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, create_data_type
from tests.fixtures.half_open import network_to
from tests.fixtures.servers import Database
from tests.worker.in_process import Recorder, listening, working
from tests.worker.states import settled, watch
from tests.worker.waiting import until, until_quiet

TERMINATE = """
    select count(pg_terminate_backend(a.pid, 5000)) from pg_stat_activity as a
    where a.datname = current_database() and a.application_name = 'freshness listener'
"""
COMMITS = "select xact_commit from pg_stat_database where datname = %s"
NOBODY = "postgresql://postgres:postgres@127.0.0.1:{}/postgres"


def healthy(listener: Listener) -> Callable[[], bool]:
    return lambda: listener.report().connection_healthy


async def test_a_connection_that_went_half_open_is_noticed_and_replaced(
    database: Database, connection: Connection
) -> None:
    """Nothing is refused and nothing ends; only the round trip does not come back."""
    async with (
        network_to(database.url) as network,
        listening(
            network.url(database.url),
            round_trip_interval=0.2,
            patience=0.5,
            backoff=Backoff(0.05, 0.1),
        ) as (listener, tokens),
    ):
        await until(healthy(listener))
        network.freeze()
        await until(lambda: not listener.report().connection_healthy)
        assert listener.report().running
        await until(healthy(listener))
        heard = len(tokens)
        connection.execute("select pg_notify(%s, 'anything')", [listener.channel])
        await until(lambda: len(tokens) > heard)


async def test_interest_during_a_half_open_network_is_served(
    database: Database, connection: Connection, quotes: DataType, recorder: Recorder
) -> None:
    """All connections of the worker, listening or not, lead nowhere at once."""
    async with (
        network_to(database.url) as network,
        working(
            network.url(database.url),
            Refresher(quotes.name, recorder),
            long_poll=LongPoll(max_wait_time=1),
            limit=2,
        ),
    ):
        watch(connection, quotes, "AAPL")
        await until(lambda: settled(connection, quotes, "AAPL"))
        network.freeze()
        watch(connection, quotes, "MSFT")
        await until(lambda: settled(connection, quotes, "MSFT"), 40)


async def test_a_terminated_backend_is_replaced_at_once_and_everything_looked_at(
    own_database: str, connect: Callable[[str], Connection]
) -> None:
    """A connection that stood for a while is no sign of trouble."""
    connection = connect(own_database)
    async with listening(own_database, backoff=Backoff(60, 60)) as (listener, tokens):
        await until(healthy(listener))
        await asyncio.sleep(2)
        assert tokens == [WakeToken()]
        assert connection.execute(TERMINATE).fetchone() == (1,)
        await until(lambda: len(tokens) == 3)
        await until(healthy(listener))
        assert listener.report().reconnect_attempts == 0


async def test_a_connection_that_is_lost_right_away_is_not_replaced_at_once(
    own_database: str, connect: Callable[[str], Connection]
) -> None:
    connection = connect(own_database)
    async with listening(own_database, backoff=Backoff(60, 60)) as (listener, _):
        await until(healthy(listener))
        with capture_logs() as logs:
            connection.execute(TERMINATE)
            await until(lambda: len(logs) == 2)
        assert [entry["event"] for entry in logs] == [
            "listening_interrupted",
            "listening_postponed",
        ]
        assert logs[1]["seconds"] >= 48


async def test_a_server_that_is_away_is_asked_for_ever(database: Database) -> None:
    """More and more rarely; it says how often it has tried, and that it does not give up."""
    async with listening(NOBODY.format(free_port()), backoff=Backoff(0.02, 0.05)) as (listener, _):
        await until(lambda: listener.report().reconnect_attempts > 20)
        report = listener.report()
        assert (report.running, report.connection_healthy) == (True, False)
        assert (report.max_reconnect_attempts, report.mode) == (None, "polling")
        assert "refused" in str(report.reason)
    assert not listener.report().running
    assert database.url


def test_attempts_to_connect_wait_from_2_to_60_seconds_and_not_all_alike() -> None:
    backoff = Backoff()
    waits = [backoff.next() for _ in range(8)]
    for wait, lowest in zip(waits, (2, 4, 8, 16, 32, 48, 48, 48), strict=True):
        assert lowest <= wait <= 1.25 * lowest
    assert len(set(waits)) == 8
    backoff.reset()
    assert backoff.next() <= 2.5


async def test_a_round_trip_makes_no_transaction(
    own_database: str, connect: Callable[[str], Connection], database: Database
) -> None:
    """Hundreds of them are as cheap for the server as none."""
    elsewhere = connect(database.url)
    name = own_database.rsplit("/", 1)[1]
    before = elsewhere.execute(COMMITS, [name]).fetchone()
    async with await psycopg.AsyncConnection.connect(own_database, autocommit=True) as opened:
        for _ in range(300):
            await make_round_trip(opened, 10)
        # What a backend has counted is visible to others at its end at the latest.
        pid = opened.info.backend_pid
    await until(
        lambda: (
            elsewhere.execute(
                "select count(*) from pg_stat_activity where pid = %s", [pid]
            ).fetchone()
            == (0,)
        )
    )
    after = elsewhere.execute(COMMITS, [name]).fetchone()
    assert before is not None
    assert after is not None
    assert after[0] - before[0] < 20


async def test_how_full_the_queue_of_notifications_is_is_read_at_a_look(
    database: Database, quotes: DataType, recorder: Recorder
) -> None:
    async with working(database.url, Refresher(quotes.name, recorder)) as listener:
        await until(lambda: listener.report().pg_queue_usage_percent is not None)
    usage = listener.report().pg_queue_usage_percent
    assert usage is not None
    assert 0 <= usage < 80


def test_a_queue_of_notifications_that_is_filling_is_a_warning() -> None:
    listener = Listener(NOBODY.format(1))
    with capture_logs() as logs:
        listener.note_queue_usage(80)
        assert logs == []
        listener.note_queue_usage(80.5)
    (warning,) = logs
    assert (warning["event"], warning["log_level"]) == ("notification_queue_filling", "warning")
    assert listener.report().pg_queue_usage_percent == 80.5


async def test_a_token_carries_the_moment_of_its_notification(
    database: Database, connection: Connection
) -> None:
    moment = datetime(2030, 1, 2, 3, 4, 5, 678900, UTC)
    async with listening(database.url) as (listener, tokens):
        await until(healthy(listener))
        assert listener.channel.startswith("freshness_work_")
        connection.execute(
            "select pg_notify(%s, %s::timestamptz::text)", [listener.channel, moment]
        )
        await until(lambda: len(tokens) == 2)
    assert tokens == [WakeToken(), WakeToken(moment)]


@pytest.mark.parametrize(
    "payload", ["", "now", "2026-01-02", "infinity", "02/01/2026 03:04:05 UTC"]
)
def test_a_payload_that_is_no_moment_means_at_once(payload: str) -> None:
    assert WakeToken.of(payload) == WakeToken()


async def test_a_moment_ahead_makes_the_worker_claim_then_and_not_before(
    own_database: str, connect: Callable[[str], Connection]
) -> None:
    """Until then it only says until when it sleeps."""
    connection = connect(own_database)
    quotes, recorder = create_data_type(connection), Recorder()
    seen = "select seen_at from freshness.workers"
    asleep = "select asleep_until < 'infinity' from freshness.sleepers"
    async with working(
        own_database, Refresher(quotes.name, recorder), long_poll=LongPoll(max_wait_time=30)
    ):
        await until(lambda: connection.execute(asleep).fetchone() == (False,))
        before = connection.execute(seen).fetchone()
        quotes.store(connection, "AAPL", 57)
        watch(connection, quotes, "AAPL")
        await until(lambda: connection.execute(asleep).fetchone() == (True,))
        assert connection.execute(seen).fetchone() == before
        assert recorder.jobs == []
        await recorder.fetched(1)
    (job,) = recorder.jobs
    assert abs((job.started_at - job.due_at).total_seconds()) < 0.5


async def test_a_token_wakes_one_of_two_workers(
    own_database: str, connect: Callable[[str], Connection], recorder: Recorder
) -> None:
    """The other one sleeps on: it does not even look."""
    connection = connect(own_database)
    quotes = create_data_type(connection)
    seen = "select array_agg(seen_at order by id) from freshness.workers"
    asleep = "select count(*) from freshness.sleepers where asleep_until = 'infinity'"
    refresher = Refresher(quotes.name, recorder)
    async with working(own_database, refresher), working(own_database, refresher):
        await until(lambda: connection.execute(asleep).fetchone() == (2,))
        await until_quiet(lambda: connection.execute(seen).fetchone(), 0.5)
        [before] = connection.execute(seen).fetchone() or ([],)
        watch(connection, quotes, "AAPL")
        await until(lambda: settled(connection, quotes, "AAPL"))
        await until_quiet(lambda: connection.execute(seen).fetchone(), 0.5)
        [after] = connection.execute(seen).fetchone() or ([],)
    assert [one == other for one, other in zip(before, after, strict=True)].count(False) == 1


async def test_a_statement_without_an_answer_is_given_up(
    own_database: str, connect: Callable[[str], Connection]
) -> None:
    """Where cancelling it would wait for an answer too; the queue works on afterwards."""
    blocking = connect(own_database)
    async with open_calls(own_database, 1, limit=0.5) as calls:
        queue = MemberQueue(calls)
        worker = await queue.announce_worker("test", 15)
        blocking.execute("begin")
        blocking.execute("lock table freshness.workers")
        with pytest.raises(DatabaseUnavailable):
            await queue.heartbeat(worker)
        blocking.execute("rollback")
        assert await queue.heartbeat(worker)
