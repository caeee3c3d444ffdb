"""Bodies that are no JSON, too large, or meant for another parser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from pyworker.settings import Settings
from tests.web.fake_queue import FakeQueue, application_on

PATH = "/functions/v1/on-card-add"
CARD = b'{"symbol":"AAPL","dataTypes":["quote"]}'


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "EMPTY_BODY"),
        (b" \r\n", 400, "EMPTY_BODY"),
        (b"{", 400, "INVALID_JSON"),
        (b"{'symbol': 'AAPL'}", 400, "INVALID_JSON"),
        (b"\xff\xfe", 400, "INVALID_JSON"),
        (CARD.decode().encode("utf-16"), 400, "INVALID_JSON"),
        (b"[" * 4000, 400, "INVALID_JSON"),
        (b'{"a":' * 800, 400, "INVALID_JSON"),
        (b"NaN", 400, "INVALID_JSON"),
        (b"[-Infinity]", 400, "INVALID_JSON"),
        (b'"\xed\xa0\x80"', 400, "INVALID_JSON"),
        (b'{"symbol":1e999,"dataTypes":["quote"]}', 422, "INVALID_CARDS"),
        (b'{"symbol":"\\u0000","dataTypes":["quote"]}', 422, "INVALID_CARDS"),
        (b'{"symbol":"\\ud800","dataTypes":["quote"]}', 422, "INVALID_CARDS"),
        (b"9" * 4096, 422, "INVALID_CARDS"),
        (b'"text"', 422, "INVALID_CARDS"),
        (b'{"symbol":1,"symbol":"AAPL","dataTypes":["quote"]}', 200, None),
        (b"\xef\xbb\xbf" + CARD, 200, None),
    ],
)
async def test_a_body_gets_the_status_it_deserves(
    client: httpx.AsyncClient, body: bytes, status: int, code: str | None
) -> None:
    answer = await client.post(PATH, content=body)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


@pytest.mark.parametrize("depth", [900, 2000, 8000, 30_000])
@pytest.mark.parametrize(
    "card", [b"%s", b'{"symbol":%s,"dataTypes":["quote"]}', b'{"symbol":"AAPL","dataTypes":%s}']
)
async def test_a_body_nested_too_deeply_is_refused(
    fake_queue: FakeQueue,
    make_settings: Callable[..., Settings],
    make_token: Callable[..., str],
    card: bytes,
    depth: int,
) -> None:
    """How deep a body can be read depends on Python's version; what was read is no card."""
    application = application_on(fake_queue, make_settings())
    headers = {"Authorization": f"Bearer {make_token()}"}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, headers=headers) as client:
        body = card % (b"[" * depth + b"]" * depth)
        answer = await client.post(f"http://endpoint{PATH}", content=body)
    refusals = [(400, "INVALID_JSON"), (422, "INVALID_CARDS")]
    assert (answer.status_code, answer.json()["code"]) in refusals


async def test_a_number_that_python_refuses_to_convert_is_refused(
    fake_queue: FakeQueue, make_settings: Callable[..., Settings], make_token: Callable[..., str]
) -> None:
    application = application_on(fake_queue, make_settings())
    transport = httpx.ASGITransport(application)
    headers = {"Authorization": f"Bearer {make_token()}"}
    async with httpx.AsyncClient(transport=transport, headers=headers) as client:
        answer = await client.post(f"http://endpoint{PATH}", content=b"9" * 60_000)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_JSON")


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.api+json", 200),
        ("", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonx", 415),
    ],
)
async def test_only_json_is_read(client: httpx.AsyncClient, media_type: str, status: int) -> None:
    answer = await client.post(PATH, content=CARD, headers={"Content-Type": media_type})
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["code"] == "UNSUPPORTED_MEDIA_TYPE"


async def test_a_missing_media_type_is_taken_for_json(client: httpx.AsyncClient) -> None:
    request = client.build_request("POST", PATH, content=CARD)
    assert "Content-Type" not in request.headers
    assert (await client.send(request)).status_code == 200


async def test_a_body_of_just_the_limit_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, content=CARD.ljust(4096))
    assert answer.status_code == 200


async def test_a_declared_length_over_the_limit_is_refused_unread(
    client: httpx.AsyncClient,
) -> None:
    parts, sent = counted_parts()
    answer = await client.post(PATH, content=parts, headers={"Content-Length": "100000"})
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert answer.headers["Connection"] == "close"
    assert sent == []


@pytest.mark.parametrize("declared", [None, "5", "-1", "many", "٣"])
async def test_a_body_without_a_true_length_is_read_up_to_the_limit(
    client: httpx.AsyncClient, declared: str | None
) -> None:
    parts, sent = counted_parts()
    headers = {} if declared is None else {b"Content-Length": declared.encode()}
    answer = await client.post(PATH, content=parts, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert len(sent) == 5


def counted_parts() -> tuple[AsyncIterator[bytes], list[int]]:
    """A body of 100 parts of 1,000 bytes, and a list of those that were asked for."""
    sent: list[int] = []

    async def parts() -> AsyncIterator[bytes]:
        for number in range(100):
            sent.append(number)
            yield b" " * 1000

    return parts(), sent
