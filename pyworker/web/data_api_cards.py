"""Cards without a connection to the database: the project's Data API calls the function."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx

from pyworker.errors import CardsRefused, ConfigurationError, DatabaseUnavailable
from pyworker.settings import Settings
from pyworker.web.asked_cards import AskedCards
from pyworker.web.problems import ProblemError

FUNCTION = "on_card_add"
TIMEOUT = 10.0  # seconds


class DataApiCards:
    """Calls public.on_card_add as the caller; see `Cards`.

    The secret key lets us in at the gateway; the caller's own token goes on, is verified there
    once more, and decides what may be read. Nothing is waited for: the answer comes at once.
    """

    def __init__(self, url: str, key: str, http: httpx.AsyncClient) -> None:
        self._supabase = _supabase()
        self._url = url
        self._key = key
        self._http = http

    async def add(self, asked: AskedCards) -> dict[str, Any]:
        """Return the answer's body, which is the function's."""
        cards = [{"symbol": key.symbol, "dataTypes": [key.data_type]} for key in asked.keys]
        body = {"cards": cards}
        try:
            answer = await self._client(asked.token).rpc(FUNCTION, {"p_cards": body}).execute()
        except self._supabase.PostgrestAPIError as error:
            raise _translated(error) from None
        except httpx.HTTPError as error:
            # Its words may hold the request, and so a token.
            raise _unavailable(type(error).__name__) from None
        if not isinstance(answer.data, dict):
            raise _unavailable("the answer is not that of on_card_add")
        return answer.data

    def _client(self, token: str | None) -> Any:
        """One for a request: whose headers they are must not depend on who else asks."""
        options = self._supabase.AsyncClientOptions(
            httpx_client=self._http, auto_refresh_token=False, persist_session=False
        )
        if token is not None:
            options.headers["Authorization"] = f"Bearer {token}"
        return self._supabase.AsyncClient(self._url, self._key, options)


@asynccontextmanager
async def open_data_api_cards(settings: Settings) -> AsyncIterator[DataApiCards]:
    """Yield cards over the Data API of the project.

    Raises:
        ConfigurationError: address or key is not set, or the client is not installed.
    """
    if settings.supabase_url is None or settings.secret_key is None:
        missing = "SUPABASE_URL" if settings.supabase_url is None else "SUPABASE_SECRET_KEY"
        raise ConfigurationError(
            f"neither DATABASE_URL nor {missing} is set",
            "set DATABASE_URL, or SUPABASE_URL and SUPABASE_SECRET_KEY to serve without it",
        )
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        yield DataApiCards(settings.supabase_url, settings.secret_key.get_secret_value(), http)


def _supabase() -> Any:
    # An extra: whoever has a database connection needs none of its thirty packages.
    try:
        return importlib.import_module("supabase")
    except ImportError:
        raise ConfigurationError(
            "DATABASE_URL is not set, and the supabase client is not installed",
            "pip install 'supabase-freshness[edge]'",
        ) from None


def _translated(error: Any) -> Exception:
    """Return what an error of the Data API stands for: the details of ours say its status."""
    code, message = error.code or "", error.message or ""
    with suppress(ValueError, TypeError):
        return CardsRefused.told(code, message, error.details)
    if code in ("PGRST301", "PGRST302", "PGRST303", "42501"):
        return ProblemError(
            401,
            "INVALID_CREDENTIALS",
            "The token is not of a signed-in user: sign in first.",
            {"WWW-Authenticate": "Bearer"},
        )
    return _unavailable(f"{code} {message}")


def _unavailable(reason: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"the Data API did not answer: {reason}")
