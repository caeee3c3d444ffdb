"""A request has a bounded number of bytes, in whatever part of it they come."""

from __future__ import annotations

import socket

import pytest

from tests.web.endpoint import PATH, Endpoint

HEAD = f"POST {PATH} HTTP/1.1\r\nHost: endpoint\r\n".encode()


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"POST /", b"a" * 65536),
        (HEAD + b"X: ", b"a" * 65536),
        (HEAD, b"A: b\r\n" * 10000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;x=", b"a" * 65536),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 10000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", b"a" * 65536),
    ],
    ids=["path", "field", "fields", "chunk", "trailers", "trailer"],
)
def test_what_has_no_end_is_cut_off(endpoint: Endpoint, start: bytes, part: bytes) -> None:
    """Long before its time is over; and others are answered."""
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(start)
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe|aborted"):
            send(connection, part, 100 * 2**20)
    assert endpoint.client.get("/healthz").status_code == 200


def send(connection: socket.socket, part: bytes, length: int) -> None:
    """Send a part again and again, until so many bytes are sent."""
    for _ in range(length // len(part)):
        connection.sendall(part)
