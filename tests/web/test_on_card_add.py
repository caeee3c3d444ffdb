"""What is recorded, and what is answered."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from pyworker.job import Key
from tests.web.fake_queue import FakeQueue

PATH = "/functions/v1/on-card-add"
CARD = {"symbol": "AAPL", "dataTypes": ["quote"]}


@pytest.mark.parametrize("path", [PATH, "/api/on-card-add"])
async def test_each_key_is_answered_with_its_state(client: httpx.AsyncClient, path: str) -> None:
    """Times are in UTC, whatever zone the database speaks."""
    body = {"symbol": "AAPL", "dataTypes": ["quote", "market", "nonsense"]}
    answer = await client.post(path, json=body)
    moment = "2026-01-02T03:04:05.678Z"
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "leaseSeconds": 300,
        "keys": [
            {
                "symbol": "AAPL",
                "dataType": "quote",
                "status": "fresh",
                "freshUntil": moment,
                "dueAt": moment,
            },
            {
                "symbol": "GLOBAL",
                "dataType": "market",
                "status": "queued",
                "freshUntil": None,
                "dueAt": moment,
            },
            {
                "symbol": "AAPL",
                "dataType": "nonsense",
                "status": "unknown_data_type",
                "freshUntil": None,
                "dueAt": None,
            },
        ],
    }


async def test_the_lease_is_the_users_and_ours_to_set(
    client: httpx.AsyncClient, fake_queue: FakeQueue, make_token: Callable[..., str]
) -> None:
    await client.post(
        PATH,
        json={**CARD, "leaseSeconds": 9999, "priority": 9, "watcher": "user:bob"},
        headers={"Authorization": f"Bearer {make_token(sub='ann')}"},
    )
    assert fake_queue.watched == [([Key("quote", "AAPL")], "user:ann", "authenticated", 300)]


async def test_a_missing_symbol_is_invalid_for_a_data_type_with_symbols(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post(PATH, json={"dataTypes": ["market", "quote"]})
    assert [(key["symbol"], key["status"]) for key in answer.json()["keys"]] == [
        ("GLOBAL", "queued"),
        (None, "invalid_symbol"),
    ]


async def test_when_no_data_type_is_known_the_answer_names_them(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json={"symbol": "AAPL", "dataTypes": ["qoute", "株" * 90]})
    assert answer.status_code == 422
    assert answer.json() == {
        "message": f"None of these data types is known: qoute, {'株' * 50}.",
        "code": "UNKNOWN_DATA_TYPE",
    }


async def test_without_a_token_nothing_is_recorded(
    client: httpx.AsyncClient, fake_queue: FakeQueue
) -> None:
    del client.headers["Authorization"]
    answer = await client.post(PATH, json=CARD)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["code"] == "INVALID_CREDENTIALS"
    assert fake_queue.watched == []
