"""The built-in refresher: one GET, fields mapped to columns, and reasons without secrets."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from pyworker.failure import failure_of
from pyworker.http_refresher import HttpFetch
from pyworker.job import Job, Row
from pyworker.local.cluster import free_port
from pyworker.outcomes import Rows
from pyworker.refreshers import Context, RefreshFailed
from pyworker.runner import open_context
from tests.worker.provider import Answer, Provider

SECRET = "s3cr3t-of-the-tests"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
COLUMNS = {"price": "price"}


def job_of(symbol: str) -> Job:
    return Job("quote", symbol, 1, NOW, None, 0, NOW)


@pytest.fixture
async def context() -> AsyncIterator[Context]:
    async with open_context(1) as opened:
        yield opened


@pytest.fixture
def fetch(provider: Provider, context: Context) -> Callable[..., Any]:
    """Fetches from the provider: `fetch(symbol, columns, rows)`; URL and header hold a secret."""

    async def run(
        symbol: str = "AAPL", columns: dict[str, str] = COLUMNS, rows: str = ""
    ) -> list[Row]:
        url = f"{provider.url}/quotes/{{symbol}}?key={SECRET}"
        headers = {"X-Api-Key": SECRET}
        return await _rows(HttpFetch(url, columns, rows, headers), context, symbol)

    return run


async def fails(fetch: Callable[..., Any], *arguments: Any) -> str:
    """Return the reason of a fetch that fails; it holds neither URL nor header."""
    with pytest.raises(RefreshFailed) as caught:
        await fetch(*arguments)
    reason = str(caught.value)
    assert SECRET not in reason
    assert "/quotes" not in reason
    return reason


def always(answer: Answer) -> Callable[[str, int], Answer]:
    return lambda _path, _number: answer


async def test_fields_are_mapped_to_columns(provider: Provider, fetch: Callable[..., Any]) -> None:
    provider.respond = always(Answer({"price": 1.5, "name": "Apple", "more": 2}))
    assert await fetch("AAPL", {"last": "price", "title": "name"}) == [
        {"last": 1.5, "title": "Apple"}
    ]


async def test_headers_are_sent(provider: Provider, fetch: Callable[..., Any]) -> None:
    await fetch()
    assert provider.headers[0]["x-api-key"] == SECRET
    assert provider.calls == [f"/quotes/AAPL?key={SECRET}"]


async def test_paths_lead_into_objects_and_lists(
    provider: Provider, fetch: Callable[..., Any]
) -> None:
    provider.respond = always(Answer({"data": {"items": [{"p": {"bid": [1, 2]}}]}}))
    assert await fetch("AAPL", {"ask": "p.bid.1"}, "data.items") == [{"ask": 2}]


async def test_a_name_can_have_dots_of_its_own(
    provider: Provider, fetch: Callable[..., Any]
) -> None:
    provider.respond = always(Answer({"Global Quote": {"05. price": 1.5, "07. day": {"a": 2}}}))
    columns = {"price": "05. price", "day": "07. day.a"}
    assert await fetch("AAPL", columns, "Global Quote") == [{"price": 1.5, "day": 2}]


async def test_a_list_gives_a_row_for_each_element(
    provider: Provider, fetch: Callable[..., Any]
) -> None:
    provider.respond = always(Answer([{"price": 1}, {"price": 2}]))
    assert await fetch() == [{"price": 1}, {"price": 2}]


async def test_an_empty_list_gives_no_row(provider: Provider, fetch: Callable[..., Any]) -> None:
    provider.respond = always(Answer([]))
    assert await fetch() == []


async def test_null_in_the_place_of_the_rows_gives_no_row(
    provider: Provider, fetch: Callable[..., Any]
) -> None:
    provider.respond = always(Answer({"data": None}))
    assert await fetch("AAPL", COLUMNS, "data") == []


async def test_a_compressed_answer_is_read(provider: Provider, fetch: Callable[..., Any]) -> None:
    body = gzip.compress(b'{"price": 3}')
    provider.respond = always(Answer(body, headers={"Content-Encoding": "gzip"}))
    assert await fetch() == [{"price": 3}]


@pytest.mark.parametrize(
    "symbol",
    [
        'quo"te',
        "a,b",
        "a b",
        "EUR/USD",
        "Ünï日本🙂",
        "a?b#c",
        "100%25",
        "{symbol}",
        "..%2f",
        "BRK.B",
    ],
)
async def test_any_symbol_is_one_segment_of_the_path(
    provider: Provider, fetch: Callable[..., Any], symbol: str
) -> None:
    await fetch(symbol)
    path = provider.calls[0].split("?", maxsplit=1)[0]
    assert path.isascii()
    folder, _, segment = path.rpartition("/")
    assert (folder, unquote(segment)) == ("/quotes", symbol)


@pytest.mark.parametrize("symbol", [".", ".."])
async def test_a_symbol_that_would_lead_to_another_folder_is_refused(
    provider: Provider, fetch: Callable[..., Any], symbol: str
) -> None:
    assert await fails(fetch, symbol) == f"symbol {symbol} cannot stand in a URL"
    assert provider.calls == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, "127.0.0.1 knows no such symbol (HTTP 404)"),
        (401, "127.0.0.1 answered HTTP 401"),
        (500, "127.0.0.1 answered HTTP 500"),
        (503, "127.0.0.1 answered HTTP 503"),
    ],
)
async def test_an_error_is_told_by_its_status(
    provider: Provider, fetch: Callable[..., Any], status: int, reason: str
) -> None:
    provider.respond = always(Answer({"error": f"bad key {SECRET}"}, status))
    assert await fails(fetch) == reason


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(
    provider: Provider, fetch: Callable[..., Any], status: int
) -> None:
    """They could carry the key to somebody else."""
    for location, place in (
        (f"https://user:{SECRET}@h.example:81/quotes?key={SECRET}", "https://h.example:81"),
        ("/quotes/elsewhere", "another path"),
    ):
        provider.respond = always(Answer({"price": 1}, status, {"Location": location}))
        assert await fails(fetch) == (
            f"127.0.0.1 answered HTTP {status}, a redirect to {place}, which is not followed:"
            " change url"
        )
    assert len(provider.calls) == 2


@pytest.mark.parametrize(
    "body", [b"<html>", b"{", b'{"price": 1} 2', b"\xff\xfe\xfa", b"[" * 100_000]
)
async def test_what_is_not_json_is_refused(
    provider: Provider, fetch: Callable[..., Any], body: bytes
) -> None:
    provider.respond = always(Answer(body))
    assert await fails(fetch) == "the answer is not JSON"


async def test_what_came_in_the_place_of_json_is_named(
    provider: Provider, fetch: Callable[..., Any]
) -> None:
    html = {"Content-Type": "text/html; charset=utf-8"}
    provider.respond = always(Answer(b"<html>", headers=html))
    assert await fails(fetch) == "the answer is not JSON, but text/html"
    provider.respond = always(Answer(b"", 204))
    assert await fails(fetch) == "the answer (HTTP 204) is empty"


@pytest.mark.parametrize(("status", "is_down"), [(500, True), (503, True), (404, False)])
async def test_a_source_that_is_down_is_told_from_one_that_refuses(
    provider: Provider, fetch: Callable[..., Any], status: int, *, is_down: bool
) -> None:
    provider.respond = always(Answer(status=status))
    with pytest.raises(RefreshFailed) as caught:
        await fetch()
    assert caught.value.of_source is is_down


async def test_a_missing_field_is_named(provider: Provider, fetch: Callable[..., Any]) -> None:
    provider.respond = always(Answer({"data": [{"bid": 1}]}))
    assert await fails(fetch, "AAPL", {"price": "ask"}, "data") == (
        "a row of the answer has no field ask"
    )
    assert await fails(fetch, "AAPL", COLUMNS, "data.items") == "the answer has no field data.items"


@pytest.mark.parametrize("content", [None, 1, "AAPL", [1], [None], [[]]])
async def test_rows_that_are_no_objects_have_no_fields(
    provider: Provider, fetch: Callable[..., Any], content: Any
) -> None:
    provider.respond = always(Answer({"data": {"rows": [content]}}))
    assert await fails(fetch, "AAPL", COLUMNS, "data.rows") == (
        "a row of the answer has no field price"
    )


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    provider: Provider, fetch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyworker.http_get.MAX_ANSWER_BYTES", 1000)
    provider.respond = always(Answer(b" " * 1001 + b"1"))
    assert await fails(fetch) == "the answer of 127.0.0.1 is over 1000 bytes"


async def test_the_size_counts_after_decompression(
    provider: Provider, fetch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyworker.http_get.MAX_ANSWER_BYTES", 1000)
    body = gzip.compress(b"[" + b" " * 100_000 + b"]")
    assert len(body) < 1000
    provider.respond = always(Answer(body, headers={"Content-Encoding": "gzip"}))
    assert await fails(fetch) == "the answer of 127.0.0.1 is over 1000 bytes"


async def test_a_broken_encoding_is_told_without_the_url(
    provider: Provider, fetch: Callable[..., Any]
) -> None:
    provider.respond = always(Answer(b"no gzip", headers={"Content-Encoding": "gzip"}))
    assert await fails(fetch) == "127.0.0.1 cannot be reached: DecodingError"


async def test_nobody_at_the_port(context: Context) -> None:
    fetch = HttpFetch(f"http://127.0.0.1:{free_port()}/quotes/{{symbol}}?key={SECRET}", COLUMNS)

    with pytest.raises(RefreshFailed, match="Connection refused") as caught:
        await fetch(job_of("AAPL"), context)
    assert caught.value.of_source


async def test_a_host_that_is_unknown_or_not_trusted_is_told_as_such() -> None:
    """Each is another thing to do."""
    request = httpx.Request("GET", f"https://h.example/?key={SECRET}")
    said = []
    for cause in (
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        ssl.SSLCertVerificationError(1, "verify failed"),
    ):
        if isinstance(cause, ssl.SSLCertVerificationError):
            cause.verify_message = "self-signed certificate"
        error = httpx.ConnectError(SECRET, request=request)
        error.__cause__ = OSError("all attempts failed")
        error.__cause__.__cause__ = cause
        said.append(failure_of(error).reason)
    assert said == [
        "h.example cannot be reached: ConnectError (Name or service not known)",
        "h.example cannot be reached: ConnectError (its certificate: self-signed certificate)",
    ]


async def test_a_header_that_cannot_be_sent_is_not_repeated(
    provider: Provider, context: Context
) -> None:
    """A line break at the end of a key is a common mistake."""
    fetch = HttpFetch(f"{provider.url}/quotes", COLUMNS, "", {"X-Api-Key": f"{SECRET}\n"})

    async def run() -> None:
        await fetch(job_of("AAPL"), context)

    assert await fails(run) == "127.0.0.1 cannot be reached: LocalProtocolError"


async def test_a_slow_answer_is_waited_for(provider: Provider) -> None:
    """How long a fetch may take is its refresher's timeout, however long or short."""
    provider.respond = provider.hold_the_first_call
    async with open_context(1) as context:
        context.http.timeout = 0.05
        fetch = HttpFetch(f"{provider.url}/{{symbol}}", COLUMNS)
        fetching = asyncio.create_task(_rows(fetch, context))
        _, pending = await asyncio.wait([fetching], timeout=0.3)
        assert pending
        provider.release.set()
        assert await fetching == [{"price": 1}]


async def test_secrets_are_not_in_the_representation() -> None:
    assert SECRET not in repr(HttpFetch("https://h/", COLUMNS, "", {"X-Api-Key": SECRET}))


async def _rows(fetch: HttpFetch, context: Context, symbol: str = "AAPL") -> list[Row]:
    answer = await fetch(job_of(symbol), context)
    assert isinstance(answer, Rows)
    return answer
