"""Errors are answered with a message and a code, and with nothing about the inside."""

from __future__ import annotations

import httpx
import pytest
from structlog.testing import capture_logs

from pyworker.errors import DatabaseUnavailable, InvalidRequest
from tests.web.fake_queue import FakeQueue

PATH = "/functions/v1/on-card-add"
CARD = {"symbol": "AAPL", "dataTypes": ["quote"]}


async def test_a_path_that_leads_nowhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/functions/v1/other")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", PATH, {"POST"}), ("DELETE", PATH, {"POST"}), ("POST", "/healthz", {"GET", "HEAD"})],
)
async def test_a_method_that_is_not_allowed(
    client: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["Allow"].split(", ")) == allowed


async def test_without_a_database_the_client_is_told_when_to_come_again(
    client: httpx.AsyncClient, fake_queue: FakeQueue
) -> None:
    fake_queue.error = DatabaseUnavailable("the database cannot be reached", "check DATABASE_URL")
    with capture_logs() as logs:
        answer = await client.post(PATH, json=CARD)
    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    assert "DATABASE_URL" not in answer.text
    assert "DATABASE_URL" in logs[0]["reason"]


async def test_what_the_queue_refuses_is_the_clients_error(
    client: httpx.AsyncClient, fake_queue: FakeQueue
) -> None:
    fake_queue.error = InvalidRequest("lists differ in length")
    answer = await client.post(PATH, json=CARD)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_CARDS")


async def test_an_unexpected_error_is_logged_and_not_shown(
    client: httpx.AsyncClient, fake_queue: FakeQueue
) -> None:
    fake_queue.error = RuntimeError("the inside")
    with capture_logs() as logs:
        answer = await client.post(PATH, json=CARD)
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert "the inside" not in answer.text
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("request_failed", "error"),
        ("request", "info"),
    ]
    assert "RuntimeError: the inside" in logs[0]["exception"]
    # With it, renderers print local variables: bodies and tokens.
    assert "exc_info" not in logs[0]


async def test_health_needs_neither_token_nor_database(
    client: httpx.AsyncClient, fake_queue: FakeQueue
) -> None:
    fake_queue.error = DatabaseUnavailable("gone")
    del client.headers["Authorization"]
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
