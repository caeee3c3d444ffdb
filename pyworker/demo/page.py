"""The live page: its files, its stream, and the adding and removing of cards."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from pyworker.demo.board import Board
from pyworker.demo.data_types import DATA_TYPES, SYMBOLS
from pyworker.demo.errors import DemoError
from pyworker.demo.feed import Feed
from pyworker.demo.history import Way
from pyworker.job import Key

FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class InputError(Exception):
    """What a page asked for makes no sense; the message says why."""


class Page:
    """Serves the page of one board.

    Args:
        board: the cards.
        feed: what streams them.
    """

    def __init__(self, board: Board, feed: Feed) -> None:
        self._board = board
        self._feed = feed

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                *(Route(path, self._file) for path in FILES),
                Route("/choices", self._choices),
                Route("/events", self._events),
                Route("/cards", self._add, methods=["POST"]),
                Route("/cards", self._remove, methods=["DELETE"]),
            ],
            exception_handlers={
                InputError: _refuse(422),
                DemoError: _refuse(502),
                psycopg.Error: _refuse(502),
            },
        )

    async def _file(self, request: Request) -> Response:
        name, media_type = FILES[request.url.path]
        content = files("pyworker.demo").joinpath(name).read_bytes()
        return Response(content, media_type=media_type, headers=HEADERS)

    async def _choices(self, _request: Request) -> Response:
        return JSONResponse(self._board.choices())

    async def _events(self, _request: Request) -> Response:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            self._feed.stream(), media_type="text/event-stream", headers=headers
        )

    async def _add(self, request: Request) -> Response:
        body = await _body(request)
        key, way = _key(body), _way(body)
        await self._board.add(key, way)
        self._feed.look_now()
        return JSONResponse({"symbol": key.symbol, "dataType": key.data_type}, 201)

    async def _remove(self, request: Request) -> Response:
        await self._board.remove(_key(await _body(request)))
        self._feed.look_now()
        return Response(status_code=204)


async def _body(request: Request) -> dict[str, Any]:
    # A page of another origin cannot send this type without being asked first.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise InputError("send JSON as application/json")
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        raise InputError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise InputError("the body is not an object")
    return body


def _key(body: dict[str, Any]) -> Key:
    symbol, data_type = body.get("symbol"), body.get("dataType")
    if symbol not in SYMBOLS or not isinstance(data_type, str) or data_type not in DATA_TYPES:
        raise InputError("symbol and dataType must be of those that /choices names")
    return Key(data_type, str(symbol))


def _way(body: dict[str, Any]) -> Way:
    ways: dict[Any, Way] = {"card": "card", "subscription": "subscription"}
    way = body.get("way")
    if not isinstance(way, str) or way not in ways:
        raise InputError("way must be card or subscription")
    return ways[way]


def _refuse(status: int) -> Any:
    async def answer(_request: Request, error: Exception) -> Response:
        text = str(error).strip().splitlines() or [type(error).__name__]
        return JSONResponse({"message": text[0]}, status)

    return answer
