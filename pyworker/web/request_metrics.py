"""How many requests there are, how they end, and how long they take."""

from __future__ import annotations

from collections.abc import Collection
from time import perf_counter

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
OTHER = "other"


class RequestMetrics:
    """Counts each request under its path; whatever clients make up is counted as `other`."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, paths: Collection[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._duration = Histogram(
            "freshness_http_request_duration_seconds",
            "From a request's head to the end of its answer; a stream's is its whole life.",
            ["method", "path", "status"],
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        # Of a client that went away before there was an answer.
        status = "none"

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER
            path = scope["path"] if scope["path"] in self._paths else OTHER
            self._duration.labels(method, path, status).observe(perf_counter() - started)
