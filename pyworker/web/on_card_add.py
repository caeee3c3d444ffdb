"""A page shows cards: their keys are watched for a while, and what is stale is queued."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from pyworker.settings import Settings
from pyworker.web.asked_cards import AskedCards, Cards
from pyworker.web.authentication import Authentication
from pyworker.web.body import read_json
from pyworker.web.cards import read_keys, read_wait
from pyworker.web.request_limit import RequestLimit


class OnCardAdd:
    """Takes or renews the caller's lease on the keys of the cards, and answers their states."""

    def __init__(self, cards: Cards, settings: Settings, authentication: Authentication) -> None:
        self._cards = cards
        self._settings = settings
        self._authentication = authentication
        self._limit = RequestLimit(settings.requests_per_minute)

    async def __call__(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            ProblemError: the caller or the body is refused; nothing was recorded.
            CardsRefused: the caller would watch too much; nothing was recorded.
            DatabaseUnavailable: the database cannot be reached.
            ClientDisconnect: nobody waits for the answer any more.
        """
        caller = await self._authentication.caller(request.headers)
        if not caller.is_operator:
            self._limit.check(caller.watcher)
        body = await read_json(
            request, self._settings.max_body_bytes, self._settings.receive_timeout
        )
        keys = read_keys(body, self._settings.max_keys)
        wait = read_wait(body, self._settings.longest_wait)
        asked = AskedCards(keys, wait, caller, _token(request))
        if wait:
            return JSONResponse(await self._add_unless_gone(request, asked))
        return JSONResponse(await self._cards.add(asked))

    async def _add_unless_gone(self, request: Request, asked: AskedCards) -> dict[str, Any]:
        adding = asyncio.create_task(self._cards.add(asked))
        # The body is read: all that can come is the end of the connection.
        gone = asyncio.ensure_future(request.receive())
        try:
            await asyncio.wait({adding, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not adding.done():
                raise ClientDisconnect
            return adding.result()
        finally:
            for task in (adding, gone):
                task.cancel()
            await asyncio.gather(adding, gone, return_exceptions=True)


def _token(request: Request) -> str | None:
    """What the caller signed in with, if it is a token: `Authentication` has accepted it."""
    token = request.headers.get("authorization", "").partition(" ")[2].strip()
    return token if token and not token.startswith("sb_") else None
