"""How the process starts, stops, and gets along with a database that fails."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from statistics import median
from typing import Any

import psycopg
import pytest

from pyworker.errors import ConfigurationError
from pyworker.settings import Settings
from pyworker.web.server import serve
from tests.fixtures.servers import Database
from tests.web.endpoint import PATH, Endpoint

StartEndpoint = Callable[[str], AbstractContextManager[Endpoint]]
WAITS = "select exists (select from pg_locks where not granted)"


def test_answers_do_not_wait_for_acknowledgements(endpoint: Endpoint) -> None:
    """Head and body are two packets; held back, the second comes 40 ms later."""
    answers = [endpoint.client.get("/healthz") for _ in range(21)]
    assert median(answer.elapsed.total_seconds() for answer in answers) < 0.03


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


def test_lost_connections_are_replaced_at_once(
    own_database: str, start_endpoint: StartEndpoint
) -> None:
    """As after a restart of the database, when every connection of the pool is dead."""
    with start_endpoint(own_database) as endpoint:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: endpoint.add("AAPL", "nonsense"), range(64)))
        with psycopg.connect(own_database, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'freshness' and datname = current_database()"
            )
        assert endpoint.add("AAPL", "nonsense").json()["code"] == "UNKNOWN_DATA_TYPE"


def test_without_our_schema_the_answer_is_a_503(
    own_database: str, start_endpoint: StartEndpoint
) -> None:
    with start_endpoint(own_database) as endpoint:
        with psycopg.connect(own_database, autocommit=True) as connection:
            connection.execute("drop schema freshness cascade")
        answer = endpoint.add("AAPL", "quote")
        assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        assert endpoint.client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_request_under_way(
    own_database: str, start_endpoint: StartEndpoint, number: int
) -> None:
    with start_endpoint(own_database) as endpoint, ThreadPoolExecutor(1) as pool:
        with psycopg.connect(own_database) as blocker:
            blocker.execute("lock table freshness.watches in access exclusive mode")
            blocked = pool.submit(endpoint.add, "AAPL", "quote")
            _until(lambda: blocker.execute(WAITS).fetchone() == (True,))
            endpoint.process.send_signal(number)
            _until(lambda: _refuses(endpoint.url))
            assert not blocked.done()
        assert blocked.result(timeout=20).json()["code"] == "UNKNOWN_DATA_TYPE"
        endpoint.process.wait(20)
        output = endpoint.output()
        assert endpoint.process.returncode == 0
        assert "Traceback" not in output
        assert output.rstrip().endswith("stopped")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SUPABASE_JWT_SECRET": None}, "neither SUPABASE_URL nor SUPABASE_JWT_SECRET is set"),
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
