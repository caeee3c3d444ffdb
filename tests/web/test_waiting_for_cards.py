"""A request may wait for fresh data: it is answered by an event, at the limit, or at the end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import Any

import httpx
import psycopg
import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.fixtures.servers import Database
from tests.web.conftest import SECRET
from tests.web.endpoint import PATH, Endpoint, running_endpoint

StartEndpoint = Callable[[str], AbstractContextManager[Endpoint]]
LONGEST = 10.0
SOMEBODY_LISTENS = "select count(*) from freshness.listeners where data_type = %s"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that wait for answers."""
    with ThreadPoolExecutor(16) as threads:
        yield threads


@pytest.fixture
def worker(connection: Connection) -> Iterator[int]:
    """A worker that the test is."""
    [number] = connection.execute(
        "select freshness.announce_worker('a test', interval '1 hour')"
    ).fetchone() or (0,)
    yield number
    connection.execute("select freshness.dismiss_worker(%s)", [number])


def ask(endpoint: Endpoint, data_type: DataType, wait: float) -> httpx.Response:
    body = {"symbol": "AAPL", "dataTypes": [data_type.name], "wait": wait}
    return endpoint.client.post(PATH, json=body)


def until(connection: Connection, data_type: DataType, listeners: int) -> None:
    """Return when so many processes listen for keys of the data type."""
    end = time.monotonic() + LONGEST
    while connection.execute(SOMEBODY_LISTENS, [data_type.name]).fetchone() != (listeners,):
        assert time.monotonic() < end, "nobody listens, or too many"
        time.sleep(0.01)


def refresh(connection: Connection, worker: int, data_type: DataType) -> None:
    """Fetch the key as a worker does."""
    job: Any = connection.execute(
        "select fence from freshness.claim(%s, %s, 1)", [worker, [data_type.name]]
    ).fetchone()
    connection.execute(
        "select freshness.finish(%s, 'AAPL', %s, '[{\"price\": 2}]')", [data_type.name, job[0]]
    )


def status(answer: Future[httpx.Response]) -> str:
    return str(answer.result(LONGEST).json()["keys"][0]["status"])


def test_it_is_answered_as_soon_as_the_data_is_fresh(
    endpoint: Endpoint,
    connection: Connection,
    quotes: DataType,
    worker: int,
    pool: ThreadPoolExecutor,
) -> None:
    """Sixteen wait over one listener."""
    answers = [pool.submit(ask, endpoint, quotes, 25) for _ in range(16)]
    until(connection, quotes, 1)
    started = time.monotonic()
    refresh(connection, worker, quotes)
    assert {status(answer) for answer in answers} == {"fresh"}
    # The first look without an event would come after five seconds.
    assert time.monotonic() - started < 4
    until(connection, quotes, 0)


def test_at_the_limit_it_is_answered_with_what_is_known(
    endpoint: Endpoint, quotes: DataType
) -> None:
    started = time.monotonic()
    answer = ask(endpoint, quotes, 0.3)
    assert answer.json()["keys"][0]["status"] == "queued"
    assert 0.3 <= time.monotonic() - started < 2


def test_what_is_fresh_is_not_waited_for(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    quotes.store(connection, "AAPL", 0)
    started = time.monotonic()
    assert ask(endpoint, quotes, 25).json()["keys"][0]["status"] == "fresh"
    assert time.monotonic() - started < 5


def test_a_longer_wait_is_cut_to_the_limit(
    database: Database, quotes: DataType, make_token: Callable[..., str]
) -> None:
    with running_endpoint(
        database.url, make_token, SECRET, FRESHNESS_LONGEST_WAIT="0.2"
    ) as endpoint:
        started = time.monotonic()
        assert ask(endpoint, quotes, 1e300).status_code == 200
        assert time.monotonic() - started < 5


def test_who_has_gone_is_waited_for_no_longer(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    """The key is let go at once, not at the limit."""
    with suppress(httpx.ReadTimeout):
        endpoint.client.post(
            PATH,
            json={"symbol": "AAPL", "dataTypes": [quotes.name], "wait": 25},
            timeout=httpx.Timeout(10, read=0.5),
        )
    until(connection, quotes, 0)


def test_a_stop_answers_those_who_wait(
    own_database: str, start_endpoint: StartEndpoint, pool: ThreadPoolExecutor
) -> None:
    """With what is known, and no error."""
    with (
        psycopg.connect(own_database, autocommit=True) as connection,
        start_endpoint(own_database) as endpoint,
    ):
        connection.execute(
            "create table public.own (symbol text primary key, fetched_at timestamptz);"
            "grant select on public.own to authenticated;"
            "select freshness.register_data_type('own', 'public.own', ttl => '1 minute')"
        )
        own = DataType("own", "public.own")
        answer = pool.submit(ask, endpoint, own, 25)
        until(connection, own, 1)
        endpoint.process.send_signal(signal.SIGTERM)
        assert status(answer) == "queued"
        assert endpoint.process.wait(LONGEST) == 0


def test_those_who_wait_make_no_queries(
    endpoint: Endpoint,
    connection: Connection,
    quotes: DataType,
    pool: ThreadPoolExecutor,
) -> None:
    """Asking more than once a second would show in the listener's renewals."""
    answer = pool.submit(ask, endpoint, quotes, 2)
    until(connection, quotes, 1)
    seen = "select seen_at from freshness.listeners where data_type = %s"
    first = connection.execute(seen, [quotes.name]).fetchone()
    time.sleep(1)
    assert connection.execute(seen, [quotes.name]).fetchone() == first
    assert status(answer) == "queued"
