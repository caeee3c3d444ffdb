"""Lets pages of other origins call the endpoint, with the headers that supabase-js sends."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALLOWED_HEADERS = "authorization, x-client-info, apikey, content-type, last-event-id"
ALLOWED_METHODS = "GET, POST, OPTIONS"
# Others than the simplest ones a browser hides from pages of other origins.
EXPOSED_HEADERS = "Retry-After"


class CrossOrigin:
    """Answers preflight requests, and names the allowed origin on every answer.

    As Supabase's Edge Functions do: any OPTIONS request is answered, without a token.

    Args:
        app: what handles all other requests.
        origin: `*`, or the one origin whose pages may call.
    """

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app = app
        self._headers = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        }
        if origin != "*":
            self._headers["Vary"] = "Origin"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await self._preflight()(scope, receive, send)
        else:

            async def send_with_origin(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).update(self._headers)
                await send(message)

            await self._app(scope, receive, send_with_origin)

    def _preflight(self) -> Response:
        return Response(
            status_code=204,
            headers={
                **self._headers,
                "Access-Control-Allow-Headers": ALLOWED_HEADERS,
                "Access-Control-Allow-Methods": ALLOWED_METHODS,
            },
        )
