"""A worker as a process of its own: how it ends, and what it survives."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pyworker.local.cluster import Cluster
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, create_data_type
from tests.fixtures.servers import Database, as_superuser
from tests.worker.modes import LISTEN
from tests.worker.processes import fetch_over_http, running_worker
from tests.worker.provider import Provider
from tests.worker.states import ACTIVITY, events, job, price, settled, watch
from tests.worker.waiting import until_quiet, wait_until

pytestmark = pytest.mark.usefixtures("mode")


def test_sigterm_finishes_what_runs(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> None:
    """The answer that comes after the signal is stored; then the worker leaves with status 0."""
    provider.respond = provider.hold_the_first_call
    fetch_over_http(tmp_path, provider.url, quotes.name)
    with running_worker(tmp_path, "w", DATABASE_URL=database.url) as worker:
        watch(connection, quotes, "AAPL")
        wait_until(lambda: provider.calls)
        worker.process.send_signal(signal.SIGTERM)
        worker.wait_for("finishing")
        watch(connection, quotes, "MSFT")
        provider.release.set()
        assert worker.process.wait(20) == 0
    assert settled(connection, quotes, "AAPL")
    assert price(connection, quotes, "AAPL") == 1
    assert provider.calls == ["/AAPL"]
    assert worker.events("worker_stopped")[0]["handed_back"] == 0
    known = "select count(*) from freshness.workers where id = %s"
    assert connection.execute(known, [worker.events("worker_started")[0]["id"]]).fetchone() == (0,)


def test_what_does_not_end_in_time_is_handed_back(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> None:
    """The key is due again at once, and its attempt does not count as a failure."""
    provider.respond = provider.hold_the_first_call
    fetch_over_http(tmp_path, provider.url, quotes.name)
    settings = {"DATABASE_URL": database.url, "FRESHNESS_SHUTDOWN_TIMEOUT": 0.2}
    with running_worker(tmp_path, "w", **settings) as worker:
        watch(connection, quotes, "AAPL")
        wait_until(lambda: provider.calls)
        assert worker.stop() == 0
    assert worker.events("worker_stopped")[0]["handed_back"] == 1
    found = job(connection, quotes, "AAPL", "j.state::text, j.attempts, j.due_at <= now()")
    assert found == ("scheduled", 0, True)


def test_ctrl_c_stops_an_idle_worker(
    database: Database, quotes: DataType, provider: Provider, tmp_path: Path
) -> None:
    fetch_over_http(tmp_path, provider.url, quotes.name)
    with running_worker(tmp_path, "w", DATABASE_URL=database.url) as worker:
        worker.process.send_signal(signal.SIGINT)
        assert worker.process.wait(20) == 0
    assert "Traceback" not in worker.log()


def test_another_worker_takes_over_from_one_that_was_killed(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> None:
    provider.respond = provider.hold_the_first_call
    fetch_over_http(tmp_path, provider.url, quotes.name)
    settings = {"DATABASE_URL": database.url, "FRESHNESS_HEARTBEAT_LIMIT": 1}
    with running_worker(tmp_path, "first", **settings) as first:
        watch(connection, quotes, "AAPL")
        wait_until(lambda: provider.calls)
        with running_worker(tmp_path, "second", **settings) as second:
            first.process.kill()
            wait_until(lambda: settled(connection, quotes, "AAPL"))
            assert second.stop() == 0
    assert price(connection, quotes, "AAPL") == 2
    assert events(connection, quotes, "AAPL") == ["taken_over", "fresh"]


def test_a_provider_that_does_not_answer_is_given_up(
    database: Database,
    connection: Connection,
    quotes: DataType,
    provider: Provider,
    tmp_path: Path,
) -> None:
    """After the configured time; the next attempt succeeds."""
    provider.respond = provider.hold_the_first_call
    fetch_over_http(tmp_path, provider.url, quotes.name, timeout=0.3)
    with running_worker(tmp_path, "w", DATABASE_URL=database.url) as worker:
        watch(connection, quotes, "AAPL")
        failed = worker.wait_for("refresh_failed")
        assert failed["reason"] == "no answer within 0.3 s"
        wait_until(lambda: settled(connection, quotes, "AAPL"))
    assert events(connection, quotes, "AAPL") == ["failed", "fresh"]


def test_a_worker_survives_a_restart_of_postgres(
    mortal_cluster: Cluster, provider: Provider, tmp_path: Path, mode: str
) -> None:
    """What it was fetching is stored afterwards, and new interest is served."""
    url = mortal_cluster.connection_string()
    provider.respond = provider.hold_the_first_call
    with psycopg.connect(url, autocommit=True) as connection:
        quotes = create_data_type(connection)
        fetch_over_http(tmp_path, provider.url, quotes.name)
        with running_worker(tmp_path, "w", DATABASE_URL=url) as worker:
            watch(connection, quotes, "AAPL")
            wait_until(lambda: provider.calls)
            mortal_cluster.stop("immediate")
            provider.release.set()
            if mode == LISTEN:
                worker.wait_for("listening_interrupted")
            mortal_cluster.start()
            with psycopg.connect(url, autocommit=True) as again:
                wait_until(lambda: settled(again, quotes, "AAPL"))
                watch(again, quotes, "MSFT")
                wait_until(lambda: settled(again, quotes, "MSFT"))
            assert worker.stop() == 0
    assert set(provider.calls) == {"/AAPL", "/MSFT"}
    assert "Traceback" not in worker.log()


@pytest.mark.mode("listen")
async def test_a_worker_polls_while_it_cannot_listen_and_listens_again(
    own_database: str,
    connect: Callable[[str], Connection],
    provider: Provider,
    tmp_path: Path,
) -> None:
    """No new connection is let in: interest recorded then is served nevertheless."""
    connection = connect(own_database)
    admin = connect(as_superuser(own_database.rsplit("/", 1)[0] + "/postgres"))
    name = own_database.rsplit("/", 1)[1]
    quotes = create_data_type(connection)
    fetch_over_http(tmp_path, provider.url, quotes.name)
    with running_worker(tmp_path, "w", DATABASE_URL=own_database) as worker:
        await until_quiet(lambda: connection.execute(ACTIVITY).fetchone(), 1.5)
        admin.execute(f"alter database {name} allow_connections false")
        terminated = connection.execute(
            "select pg_terminate_backend(a.pid, 5000) from pg_stat_activity as a"
            " where a.datname = current_database() and a.application_name = 'freshness listener'"
        ).fetchall()
        assert terminated == [(True,)]
        watch(connection, quotes, "AAPL")
        wait_until(lambda: settled(connection, quotes, "AAPL"))
        assert len(worker.events("listening")) == 1
        admin.execute(f"alter database {name} allow_connections true")
        worker.wait_for("listening", 2)
        watch(connection, quotes, "MSFT")
        wait_until(lambda: settled(connection, quotes, "MSFT"))
    assert provider.calls == ["/AAPL", "/MSFT"]


@pytest.mark.mode("listen")
def test_interest_recorded_while_the_listener_reconnects_is_served(
    own_database: str,
    connect: Callable[[str], Connection],
    provider: Provider,
    tmp_path: Path,
) -> None:
    connection = connect(own_database)
    quotes = create_data_type(connection)
    fetch_over_http(tmp_path, provider.url, quotes.name)
    with running_worker(tmp_path, "w", DATABASE_URL=own_database) as worker:
        connection.execute(
            "select pg_terminate_backend(a.pid, 5000) from pg_stat_activity as a"
            " where a.datname = current_database() and a.application_name like 'freshness%'"
        )
        watch(connection, quotes, "AAPL")
        wait_until(lambda: settled(connection, quotes, "AAPL"))
        worker.wait_for("listening", 2)
    assert provider.calls == ["/AAPL"]
