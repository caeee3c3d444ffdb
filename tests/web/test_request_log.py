"""Each request leaves one line, without anything secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from structlog.testing import capture_logs

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/functions/v1/on-card-add"


async def test_a_request_is_logged_with_its_status_and_duration(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.post(PATH, json={"dataTypes": ["market"]})
    (line,) = logs
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "path": PATH,
        "status": 200,
    }


async def test_no_token_query_or_body_is_logged(
    client: httpx.AsyncClient, make_token: Callable[..., str]
) -> None:
    token = make_token(sub="ann")
    with capture_logs() as logs:
        await client.post(
            f"{PATH}?apikey={token}",
            json={"symbol": "SECRET-SYMBOL", "dataTypes": ["nonsense"]},
            headers={"Authorization": f"Bearer {token}"},
        )
        await client.post(PATH, headers={"Authorization": "Bearer forged"}, json={})
    text = str(logs)
    assert [line["status"] for line in logs] == [422, 401]
    assert not any(secret in text for secret in (token, "forged", "SECRET-SYMBOL", "ann"))


async def test_a_path_stays_on_one_line(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.get("/a%0Ab" + "c" * 1000)
    assert logs[0]["path"] == "/a%0Ab" + "c" * 194
