"""One line in the log for each request, without tokens, queries and bodies."""

from __future__ import annotations

from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_PATH = 200


class RequestLog:
    """Logs method, path, status and duration (milliseconds) when a request has been answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status: int | None = None

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            structlog.get_logger().info(
                "request",
                method=scope["method"],
                path=_path(scope),
                status=status,
                duration_ms=round((perf_counter() - started) * 1000, 1),
            )


def _path(scope: Scope) -> str:
    # As it was sent: in the decoded path a client could hide line breaks.
    sent: bytes = scope.get("raw_path") or scope["path"].encode("unicode_escape")
    return sent[:LONGEST_PATH].decode("ascii", "backslashreplace")
