"""Whatever bytes arrive at the process: no 5xx, no traceback, and it goes on."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.endpoint import PATH, Endpoint

CASES = int(os.environ.get("FUZZ_CASES", "200"))
NEXT = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

INJECTIONS = st.sampled_from(
    [
        "'; drop table freshness.jobs; --",
        "A' or '1'='1",
        "$$; select pg_sleep(9); $$",
        "AAPL\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK",
        "%s%s%n{0.__class__}${7*7}",
        "../../etc/passwd\0",
        "\u202e\ufeff\U0001f4a9",
        "\\ud800",
        '(A,B)"\\',
    ]
)
TOKENS = st.one_of(
    st.none(),
    st.binary(max_size=40).map(
        lambda noise: b"Bearer " + noise.replace(b"\r", b"").replace(b"\n", b"")
    ),
    # Nobody's signature, or none.
    st.sampled_from(
        [
            b"Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.",
            b"Bearer eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.AAAA",
            b"Bearer sb_secret_of_the_operators_of_nobody",
            b"Basic YTpi",
        ]
    ),
)
TEXT = INJECTIONS | st.text(max_size=210)
CARD = st.fixed_dictionaries(
    {"symbol": TEXT, "dataTypes": st.lists(TEXT | st.just("quote"), max_size=60)}
)
BODIES = st.one_of(
    CARD.map(lambda card: json.dumps(card).encode()),
    st.lists(CARD, max_size=5).map(lambda cards: json.dumps({"cards": cards}).encode()),
    CARD.flatmap(
        lambda card: st.sampled_from(["utf-16", "utf-32", "utf-8-sig", "utf-7"]).map(
            lambda charset: json.dumps(card, ensure_ascii=False).encode(charset, "replace")
        )
    ),
    st.integers(1, 40_000).map(lambda depth: b"[" * depth),
    st.integers(1, 9_000).map(lambda depth: b'{"symbol":' * depth),
    st.integers(0, 5000).map(lambda digits: b'{"symbol":' + b"9" * digits + b"}"),
    st.binary(max_size=500),
)
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"OPTIONS", b"HEAD", b"DELETE"]) | st.binary(
    min_size=1, max_size=8
)
PATHS = st.sampled_from(
    [
        PATH.encode(),
        b"/status",
        b"/metrics",
        b"/readyz",
        b"/openapi.json",
        b"*",
        b"//",
        b"/%00%ff?%",
    ]
) | st.binary(max_size=30)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Content-Type", b"Content-Length", b"Transfer-Encoding", b"apikey", b"Expect", b"X"]
        )
        | st.binary(max_size=10),
        st.sampled_from([b"application/json; charset=nonsense", b"-1", b"chunked", b"100-continue"])
        | st.binary(max_size=40),
    ),
    max_size=4,
)
MANY = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))


@MANY
@given(method=METHODS, path=PATHS, headers=HEADERS, token=TOKENS, body=BODIES)
def test_any_bytes(
    endpoint: Endpoint,
    *,
    method: bytes,
    path: bytes,
    headers: list[tuple[bytes, bytes]],
    token: bytes | None,
    body: bytes,
) -> None:
    """Heads that may be none, with credentials that are none."""
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: a"]
    lines += [name + b": " + value for name, value in headers]
    lines += [b"Authorization: " + token] if token is not None else []
    send(endpoint, b"\r\n".join([*lines, b"", b""]) + body)


@MANY
@given(body=BODIES)
def test_any_body_of_a_user(endpoint: Endpoint, body: bytes) -> None:
    """As far as the database: nothing that a user sends is an error of ours, or runs as SQL."""
    answer = endpoint.client.post(
        PATH,
        content=body,
        headers={"Content-Type": "application/json", "Content-Length": str(len(body))},
    )
    assert 200 <= answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"cards": [{"symbol": f"S{n}", "dataTypes": ["quote"]} for n in range(1000)]}, 422),
        ({"cards": [{"symbol": f"S{n}", "dataTypes": ["quote"]} for n in range(10_000)]}, 413),
        ({"symbol": "A" * 70_000, "dataTypes": ["quote"]}, 413),
    ],
    ids=["1,000 keys", "10,000 keys", "a huge symbol"],
)
def test_more_than_is_allowed_is_refused(endpoint: Endpoint, body: Any, status: int) -> None:
    assert endpoint.client.post(PATH, json=body).status_code == status


def test_ten_thousand_headers_are_refused(endpoint: Endpoint) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: 1234567890\r\n" * 10_000 + b"\r\n"
    # Cut off while it still sends, the client may not see the answer.
    assert send(endpoint, head)[:13] in (b"", b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", [PATH, "/healthz", "/status"])
@pytest.mark.parametrize("declared", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_body_that_is_no_http_is_answered_once(
    endpoint: Endpoint, path: str, declared: str
) -> None:
    """By the server, in place of the application, or after the application."""
    token = endpoint.client.headers["Authorization"]
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n{declared}\r\n\r\n"
    assert send(endpoint, head.encode() + b"zz\r\nnonsense").count(b"HTTP/1.1 ") <= 2
    send(endpoint, head.replace("POST", "HEAD").encode() + b"zz\r\nnonsense")
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.replace("POST", "GET").encode())
        if path != PATH:
            connection.recv(65536)
        connection.sendall(b"zz\r\nnonsense\r\n\r\n")
        with suppress(OSError):
            while connection.recv(65536):
                pass


@pytest.fixture(autouse=True, scope="module")
def no_traceback(endpoint: Endpoint) -> Any:
    """After all: the process lives, and has logged no error of ours."""
    yield
    assert endpoint.client.get("/healthz").status_code == 200
    output = endpoint.output()
    assert "Traceback" not in output, output[output.index("Traceback") :][:6000]
    assert "request_failed" not in output


def send(endpoint: Endpoint, sent: bytes) -> bytes:
    """Send bytes, end the sending side, and return the answer."""
    host, port = endpoint.url.removeprefix("http://").split(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        try:
            connection.sendall(sent + NEXT)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except OSError:
            # Cut off by the other side.
            pass
    if received:
        status = received.split(b" ", 2)[1]
        assert status < b"500", received
    assert b"Traceback" not in received
    return received
