"""The endpoint as a process of its own, on a real database, called over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyworker.errors import ConfigurationError
from pyworker.settings import Settings
from pyworker.web.server import serve
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType, Register
from tests.fixtures.servers import Database

PATH = "/functions/v1/on-card-add"
SECRET = "a-secret-of-the-tests-that-has-32-bytes-or-more"
PROGRAM = """
import asyncio
from pyworker.settings import read_settings
from pyworker.web.server import serve
asyncio.run(serve(read_settings()))
"""

MakeToken = Callable[..., str]


class Endpoint:
    """A running endpoint and a client that is signed in as `user`."""

    def __init__(self, process: subprocess.Popen[str], url: str, token: str, user: str) -> None:
        self.process = process
        self.url = url
        self.user = user
        self.client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def add(self, symbol: str | None, *data_types: str) -> httpx.Response:
        """Add a card."""
        return self.client.post(PATH, json={"symbol": symbol, "dataTypes": data_types})

    def states(self, symbol: str | None, *data_types: str) -> list[tuple[str, str]]:
        """Add a card; returns each key's symbol and status."""
        answer = self.add(symbol, *data_types)
        assert answer.status_code == 200, answer.text
        return [(key["symbol"], key["status"]) for key in answer.json()["keys"]]


@contextmanager
def running_endpoint(url: str, make_token: MakeToken) -> Iterator[Endpoint]:
    """Start an endpoint on a free port, and stop it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": url,
            "SUPABASE_JWT_SECRET": SECRET,
            "FRESHNESS_PORT": "0",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"url=(\S+)", line)
        assert found, line + process.stdout.read()
        user = str(uuid4())
        endpoint = Endpoint(process, found[1], make_token(sub=user), user)
        with closing(endpoint.client):
            yield endpoint
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def endpoint(database: Database, make_token: MakeToken) -> Iterator[Endpoint]:
    """One endpoint for the tests that do not break it."""
    with running_endpoint(database.url, make_token) as running:
        yield running


def one(connection: Connection, question: str, *values: Any) -> Any:
    """The first row of an answer."""
    return connection.execute(question.encode(), values).fetchone()


def test_a_stale_key_is_leased_and_queued(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    quotes.store(connection, "AAPL", age_seconds=90)
    assert endpoint.states("AAPL", quotes.name) == [("AAPL", "queued")]
    watcher, seconds_left = one(
        connection,
        "select watcher, extract(epoch from lease_until - clock_timestamp())"
        " from freshness.watches where data_type = %s and symbol = 'AAPL'",
        quotes.name,
    )
    assert watcher == f"user:{endpoint.user}"
    assert 290 < seconds_left <= 300
    assert one(
        connection,
        "select run_at <= clock_timestamp(), priority from freshness.jobs where data_type = %s",
        quotes.name,
    ) == (True, 1)


def test_a_fresh_key_only_gets_its_deadline(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    quotes.store(connection, "AAPL", age_seconds=10)
    (key,) = endpoint.add("AAPL", quotes.name).json()["keys"]
    assert key["status"] == "fresh"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", key["freshUntil"])
    (run_at_as_text,) = one(
        connection,
        "select to_char(run_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')"
        " from freshness.jobs where data_type = %s and run_at > clock_timestamp()",
        quotes.name,
    )
    assert key["dueAt"].startswith(run_at_as_text)


def test_the_same_card_twice_is_one_watch_and_one_job(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    for _ in range(2):
        assert endpoint.states("AAPL", quotes.name) == [("AAPL", "queued")]
    assert one(
        connection,
        "select (select count(*) from freshness.watches where data_type = %s),"
        " (select count(*) from freshness.jobs where data_type = %s)",
        quotes.name,
        quotes.name,
    ) == (1, 1)


def test_sixteen_callers_at_once_make_one_job_for_each_key(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    body = {"cards": [{"symbol": symbol, "dataTypes": [quotes.name]} for symbol in "ABC"]}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: endpoint.client.post(PATH, json=body), range(64)))
    assert {answer.status_code for answer in answers} == {200}
    assert one(
        connection, "select count(*) from freshness.jobs where data_type = %s", quotes.name
    ) == (3,)


def test_a_running_refresh_is_answered_as_such(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    endpoint.add("AAPL", quotes.name)
    (worker,) = one(connection, "select freshness.announce_worker('a test', interval '15 seconds')")
    try:
        connection.execute("select freshness.claim(%s, %s, 1)", [worker, [quotes.name]])
        assert endpoint.states("AAPL", quotes.name) == [("AAPL", "running")]
    finally:
        connection.execute("select freshness.dismiss_worker(%s)", [worker])


def test_an_unknown_data_type_is_named_and_the_others_are_handled(
    endpoint: Endpoint, quotes: DataType
) -> None:
    assert endpoint.states("AAPL", "nonsense", quotes.name) == [
        ("AAPL", "unknown_data_type"),
        ("AAPL", "queued"),
    ]
    answer = endpoint.add("AAPL", "nonsense")
    assert (answer.status_code, answer.json()["code"]) == (422, "UNKNOWN_DATA_TYPE")
    assert "nonsense" in answer.json()["message"]


def test_global_data_types_need_no_symbol(endpoint: Endpoint, register: Register) -> None:
    market = register(
        "price numeric, fetched_at timestamptz", symbol_column=None, write_mode="replace"
    )
    quotes = register()
    assert endpoint.states(None, market.name, quotes.name) == [
        ("GLOBAL", "queued"),
        (None, "invalid_symbol"),
    ]


def test_symbols_are_canonical_or_invalid(endpoint: Endpoint, register: Register) -> None:
    numbers = register("symbol integer primary key, fetched_at timestamptz")
    assert endpoint.states("007", numbers.name) == [("7", "queued")]
    assert endpoint.states("9" * 200, numbers.name) == [("9" * 200, "invalid_symbol")]
    assert endpoint.states("AAPL", numbers.name) == [("AAPL", "invalid_symbol")]


@pytest.mark.parametrize(
    "symbol",
    [
        "O'Neil",
        '"; drop schema freshness cascade; --',
        "{a,b}",
        "a\\b\n\t%s",
        "株式 😀",
        "😀" * 200,
    ],
)
def test_any_text_is_a_symbol(endpoint: Endpoint, quotes: DataType, symbol: str) -> None:
    assert endpoint.states(symbol, quotes.name) == [(symbol, "queued")]


def test_both_roles_and_only_they_may_call(
    endpoint: Endpoint, connection: Connection, quotes: DataType, make_token: MakeToken
) -> None:
    body = {"symbol": "AAPL", "dataTypes": [quotes.name]}
    statuses = [
        endpoint.client.post(PATH, json=body, headers={"Authorization": header}).status_code
        for header in (
            f"Bearer {make_token(role='service_role', sub=None, aud=None)}",
            f"Bearer {make_token(role='anon', sub=None)}",
            "Bearer forged",
        )
    ]
    assert statuses == [200, 401, 401]
    assert connection.execute(
        "select watcher from freshness.watches where data_type = %s", [quotes.name]
    ).fetchall() == [("service_role",)]


def test_an_endless_body_is_cut_off(endpoint: Endpoint) -> None:
    """The answer comes while the client is still sending, and the connection ends."""
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: endpoint\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall(f"{head}{_authorization(endpoint)}\r\n".encode())
        part = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
        connection.sendall(part * 9)
        received = b""
        while piece := _receive(connection):
            received += piece
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"BODY_TOO_LARGE" in received


def test_lost_connections_are_replaced_at_once(own_database: str, make_token: MakeToken) -> None:
    """As after a restart of the database, when every connection of the pool is dead."""
    with running_endpoint(own_database, make_token) as endpoint:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: endpoint.add("AAPL", "nonsense"), range(64)))
        with psycopg.connect(own_database, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'freshness' and datname = current_database()"
            )
        assert endpoint.add("AAPL", "nonsense").json()["code"] == "UNKNOWN_DATA_TYPE"


@given(
    symbol=st.none() | st.text(st.characters(), max_size=201),
    data_type=st.text(st.characters(), max_size=60),
)
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)
def test_any_text_is_the_clients_error_at_most(
    endpoint: Endpoint, quotes: DataType, symbol: str | None, data_type: str
) -> None:
    """What the database cannot store never reaches it."""
    body = json.dumps({"symbol": symbol, "dataTypes": [quotes.name, data_type]})
    answer = endpoint.client.post(PATH, content=body)
    assert answer.status_code in (200, 422), answer.text


def test_without_our_schema_the_answer_is_a_503(own_database: str, make_token: MakeToken) -> None:
    with running_endpoint(own_database, make_token) as endpoint:
        with psycopg.connect(own_database, autocommit=True) as connection:
            connection.execute("drop schema freshness cascade")
        answer = endpoint.add("AAPL", "quote")
        assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        assert endpoint.client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_request_under_way(
    own_database: str, make_token: MakeToken, number: int
) -> None:
    with running_endpoint(own_database, make_token) as endpoint, ThreadPoolExecutor(1) as pool:
        with psycopg.connect(own_database) as blocker:
            blocker.execute("lock table freshness.watches in access exclusive mode")
            blocked = pool.submit(endpoint.add, "AAPL", "quote")
            _until(
                lambda: one(blocker, "select exists (select from pg_locks where not granted)")[0]
            )
            endpoint.process.send_signal(number)
            _until(lambda: _refuses(endpoint.url))
            assert not blocked.done()
        assert blocked.result(timeout=20).json()["code"] == "UNKNOWN_DATA_TYPE"
        output, _ = endpoint.process.communicate(timeout=20)
        assert endpoint.process.returncode == 0
        assert "Traceback" not in output
        assert output.rstrip().endswith("stopped")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SUPABASE_JWT_SECRET": None}, "SUPABASE_JWT_SECRET is not set"),
        ({"host": "no such host"}, "cannot listen on no such host"),
        ({"host": "a" * 70}, "cannot listen on"),
    ],
)
async def test_what_keeps_it_from_starting_is_said(
    database: Database,
    make_settings: Callable[..., Settings],
    changes: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await serve(make_settings(DATABASE_URL=database.url, **changes))


async def test_a_port_that_is_taken_is_named(
    database: Database, make_settings: Callable[..., Settings]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}: Address already in use"):
            await serve(make_settings(DATABASE_URL=database.url, port=port))


def _authorization(endpoint: Endpoint) -> str:
    return f"Authorization: {endpoint.client.headers['Authorization']}\r\n"


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


def _refuses(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
