"""A page of another origin may call, as it may call Supabase's Edge Functions."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from pyworker.settings import Settings
from tests.web.fake_queue import FakeQueue, application_on

PATH = "/functions/v1/on-card-add"


async def test_a_preflight_request_needs_no_token(client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]
    answer = await client.options(
        PATH, headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert set(answer.headers["Access-Control-Allow-Headers"].split(", ")) == {
        "authorization",
        "x-client-info",
        "apikey",
        "content-type",
        "last-event-id",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("POST", PATH, 400),
        ("GET", PATH, 405),
        ("GET", "/nothing", 404),
        ("POST", "/healthz/", 404),
    ],
)
async def test_every_answer_names_the_allowed_origin(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")
    # A browser hides it from the page otherwise, which then comes back too soon.
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After"


async def test_also_an_unexpected_error_names_it(
    client: httpx.AsyncClient, fake_queue: FakeQueue
) -> None:
    """Without it the browser would hide the answer from the page."""
    fake_queue.error = RuntimeError("boom")
    answer = await client.post(PATH, json={"dataTypes": ["market"]})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (500, "*")


async def test_the_origin_can_be_set(
    fake_queue: FakeQueue, make_settings: Callable[..., Settings]
) -> None:
    application = application_on(fake_queue, make_settings(cors_origin="https://app.example"))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:
        for answer in (await client.get("/healthz"), await client.options(PATH)):
            assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
            assert answer.headers["Vary"] == "Origin"
