"""A client of the stream, as a page has one: it reads server-sent events over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.web.endpoint import Endpoint

PATH = "/functions/v1/refresh-events"
PATIENCE = 10.0


@dataclass
class Event:
    """One event; `data` is its JSON."""

    name: str
    data: dict[str, Any]
    id: int | None


@dataclass
class Reader:
    """Reads one stream; `seen` is all that has come, comments apart."""

    answer: httpx.Response
    seen: list[Event] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lines = self.answer.aiter_lines()

    async def next(self, within: float = PATIENCE) -> Event:
        """Return the next event."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(within):
            async for line in self._lines:
                self.lines.append(line)
                if not line and "data" in fields:
                    number = fields.get("id")
                    event = Event(
                        fields["event"],
                        json.loads(fields["data"]),
                        None if number is None else int(number),
                    )
                    self.seen.append(event)
                    return event
                name, _, value = line.partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
        raise EOFError

    async def until(self, name: str, symbol: str | None = None) -> Event:
        """Read on to an event of this name, of this symbol when one is given."""
        while True:
            event = await self.next()
            if event.name == name and symbol in (None, event.data.get("symbol")):
                return event

    async def has_nothing(self, within: float = 0.3) -> bool:
        """Whether nothing comes for a while; nothing can be read after that."""
        try:
            await self.next(within)
        except TimeoutError:
            return True
        return False

    async def ends(self) -> bool:
        """Whether the server has ended it, after what is still to be read."""
        try:
            while True:
                await self.next()
        except EOFError:
            return True


@asynccontextmanager
async def reading(
    endpoint: Endpoint,
    *keys: str,
    headers: dict[str, str] | None = None,
    **parameters: str,
) -> AsyncIterator[Reader]:
    """Open a stream on keys as `quote:AAPL`, and read its first event (`seen[0]`)."""
    async with (
        httpx.AsyncClient(
            base_url=endpoint.url,
            headers={**dict(endpoint.client.headers), **(headers or {})},
            timeout=httpx.Timeout(30, read=None),
        ) as client,
        client.stream("GET", PATH, params={"key": list(keys), **parameters}) as answer,
    ):
        if answer.status_code != 200:
            await answer.aread()
        assert answer.status_code == 200, answer.text
        reader = Reader(answer)
        await reader.next()
        yield reader
