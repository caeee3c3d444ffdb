"""Requests that are sent before the one ahead of them is answered, on one connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.web.endpoint import Endpoint
from tests.web.stream_client import PATH
from tests.web.stream_worker import one

NOBODY_WATCHES = "select not exists (select from freshness.watches where data_type = %s)"
TELL = "insert into freshness.events (kind, data_type, symbol) values ('unchanged', %s, 'AAPL')"
NEXT = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_stream_with_a_request_behind_it_ends_with_its_client(
    endpoint: Endpoint, connection: Connection, quotes: DataType
) -> None:
    """Else its keys are watched, and its place is taken, by nobody."""
    with _streaming(endpoint, quotes) as client:
        client.sendall(NEXT)
        await asyncio.to_thread(_read_until, client, b"event: snapshot")
    # What is written to a client that is gone says so, as each heartbeat does.
    async with asyncio.timeout(10):
        while not one(connection, NOBODY_WATCHES, quotes.name):
            connection.execute(TELL.encode(), [quotes.name])
            await asyncio.to_thread(connection.execute, "select pg_sleep(0.05)")


@pytest.mark.parametrize("behind", [b"", NEXT], ids=["alone", "with a request behind it"])
async def test_nothing_is_written_into_a_stream_that_is_not_its_own(
    endpoint: Endpoint, quotes: DataType, behind: bytes
) -> None:
    with _streaming(endpoint, quotes) as client:
        await asyncio.to_thread(_read_until, client, b"event: snapshot")
        client.sendall(behind + b"\0 nonsense \r\n\r\n")
        rest = await asyncio.to_thread(_read_to_the_end, client)
    assert b"HTTP/1.1" not in rest


@contextmanager
def _streaming(endpoint: Endpoint, quotes: DataType) -> Iterator[socket.socket]:
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        token = endpoint.client.headers["Authorization"]
        head = f"GET {PATH}?key={quotes.name}:AAPL HTTP/1.1\r\nHost: a\r\nAuthorization: {token}"
        client.sendall(f"{head}\r\n\r\n".encode())
        yield client


def _read_until(client: socket.socket, text: bytes) -> None:
    read = b""
    while text not in read:
        piece = client.recv(65536)
        assert piece, read
        read += piece


def _read_to_the_end(client: socket.socket) -> bytes:
    read = b""
    try:
        while piece := client.recv(65536):
            read += piece
    except ConnectionError:
        # Cut off.
        pass
    return read
