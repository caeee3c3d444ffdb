"""The endpoint without a database connection: settings, and a Data API that fails."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pyworker.errors import ConfigurationError
from pyworker.settings import Settings, read_settings
from pyworker.web.application import create_card_application
from pyworker.web.data_api_cards import DataApiCards
from pyworker.web.server import serve

URL, KEY = "http://project.local", "sb_secret_of-the-tests-long-enough"
PATH = "/functions/v1/on-card-add"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"SUPABASE_URL": None, "SUPABASE_SECRET_KEY": KEY}, "nor SUPABASE_URL is set"),
        ({"SUPABASE_URL": URL, "SUPABASE_SECRET_KEY": None}, "nor SUPABASE_SECRET_KEY is set"),
    ],
)
async def test_what_is_missing_is_named(
    make_settings: Callable[..., Settings], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await serve(make_settings(DATABASE_URL="", **given))


def test_everything_else_still_needs_a_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not set"):
        read_settings(tmp_path / ".env")
    assert not read_settings(
        tmp_path / ".env", needs_database=False
    ).database_url.get_secret_value()


async def test_a_client_that_is_not_installed_is_named(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supabase", None)
    with pytest.raises(ConfigurationError, match=r"supabase-freshness\[edge\]"):
        await serve(make_settings(DATABASE_URL="", SUPABASE_URL=URL, SUPABASE_SECRET_KEY=KEY))


def answering(status: int, body: Any) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(status, json=body))


def failing(error: type[httpx.TransportError]) -> httpx.MockTransport:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error("no", request=request)

    return httpx.MockTransport(fail)


@pytest.mark.parametrize(
    "transport",
    [
        failing(httpx.ConnectError),
        failing(httpx.ReadTimeout),
        answering(502, {"anything": 1}),
        answering(404, {"code": "PGRST202", "message": "Could not find the function"}),
        answering(400, {"code": "54001", "message": "stack depth"}),
        answering(200, ["not ours"]),
        answering(302, {}),
    ],
)
async def test_a_data_api_that_fails_is_said_so(
    make_settings: Callable[..., Settings],
    make_token: Callable[..., str],
    transport: httpx.MockTransport,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """With 503 and nothing of the inside; the log holds no token and no key."""
    async with httpx.AsyncClient(transport=transport) as http:
        application = create_card_application(DataApiCards(URL, KEY, http), make_settings())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://endpoint"
        ) as client:
            answer = await client.post(
                PATH,
                json={"symbol": "A", "dataTypes": ["quote"]},
                headers={"Authorization": f"Bearer {make_token()}"},
            )
    assert answer.status_code == 503
    assert answer.json()["code"] == "DATABASE_UNAVAILABLE"
    said = "".join(capfd.readouterr())
    assert "eyJ" not in said
    assert KEY not in said
