"""One look at the database for all open pages, and none while no page is open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg

SECONDS_BETWEEN_LOOKS = 0.25

Look = Callable[[], Awaitable[dict[str, Any]]]


class Feed:
    """Sends snapshots to pages as server-sent events; a slow page skips some.

    Args:
        look: returns what a page shows.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._pages = 0
        self._open = asyncio.Event()
        self._sooner = asyncio.Event()
        self._news = asyncio.Condition()
        self._number = 0
        self._text = ""
        self._closed = False

    async def run(self) -> None:
        """Look while pages are open, for ever."""
        while True:
            await self._open.wait()
            self._sooner.clear()
            try:
                text = f"data: {json.dumps(await self._look())}\n\n"
            except psycopg.OperationalError:
                # It may come back; what the pages show is as old as they say.
                text = "event: outage\ndata: {}\n\n"
            async with self._news:
                self._number += 1
                self._text = text
                self._news.notify_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_BETWEEN_LOOKS):
                    await self._sooner.wait()

    def look_now(self) -> None:
        """Bring the next look forward: a page has changed something."""
        self._sooner.set()

    async def close(self) -> None:
        """End the streams of all pages."""
        async with self._news:
            self._closed = True
            self._news.notify_all()

    async def stream(self) -> AsyncGenerator[str]:
        """Yield server-sent events for one page until it leaves or the feed is closed."""
        self._pages += 1
        self._open.set()
        seen = self._number
        try:
            while True:
                async with self._news:
                    await self._news.wait_for(lambda: self._closed or self._number > seen)  # noqa: B023
                    if self._closed:
                        break
                    seen, text = self._number, self._text
                yield text
            yield "event: end\ndata: {}\n\n"
        finally:
            self._pages -= 1
            if not self._pages:
                self._open.clear()
