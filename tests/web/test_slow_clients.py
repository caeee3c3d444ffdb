"""Clients that hold connections without saying what they want."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.fixtures.servers import Database
from tests.web.endpoint import PATH, Endpoint, running_endpoint

SECRET = "a-secret-of-the-tests-that-has-32-bytes-or-more"
LIMIT = 0.4


@pytest.fixture(scope="module")
def strict(database: Database, make_token: Callable[..., str]) -> Iterator[Endpoint]:
    """An endpoint with little patience."""
    with running_endpoint(
        database.url, make_token, SECRET, FRESHNESS_RECEIVE_TIMEOUT=str(LIMIT)
    ) as running:
        yield running


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /heal",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    ],
    ids=["nothing", "in the head", "in the next head", "a body that nobody reads"],
)
def test_a_connection_ends_although_bytes_trickle_in(strict: Endpoint, begin: bytes) -> None:
    """The limit is for the whole head."""
    assert _lasts(strict, begin) < 8 * LIMIT


def test_a_slow_body_is_answered_with_a_408(strict: Endpoint) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n"
        f"Authorization: {strict.client.headers['Authorization']}\r\n\r\n{{"
    )
    with _connection(strict) as connection:
        connection.sendall(head.encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"BODY_TOO_SLOW" in received


def test_others_are_served_meanwhile(strict: Endpoint) -> None:
    """Also while five hundred hold a connection each."""
    held = [_connection(strict) for _ in range(500)]
    try:
        for connection in held:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nX: ")
        assert strict.client.get("/healthz").status_code == 200
        # At the limit the endpoint is rid of all of them.
        for connection in held:
            assert _received(connection) == b""
        assert strict.client.get("/healthz").status_code == 200
    finally:
        for connection in held:
            connection.close()


def _lasts(endpoint: Endpoint, begin: bytes) -> float:
    with _connection(endpoint) as connection:
        connection.settimeout(LIMIT / 8)
        began = time.monotonic()
        _send(connection, begin)
        while time.monotonic() - began < 20:
            try:
                if not connection.recv(65536):
                    break
            except TimeoutError:
                if begin and not _send(connection, b"a"):
                    break
            except ConnectionError:
                break
        return time.monotonic() - began


def _send(connection: socket.socket, sent: bytes) -> bool:
    try:
        connection.sendall(sent)
    except ConnectionError:
        return False
    return True


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


def _connection(endpoint: Endpoint) -> socket.socket:
    host, port = endpoint.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)
