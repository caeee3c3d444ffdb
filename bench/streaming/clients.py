"""Clients that read streams, and when they have read an event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt

from bench.streaming.endpoint import SECRET


class Heard:
    """When each stream of a symbol has read the event that was added last."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self._symbol: str | None = None
        self._missing = 0
        self._all = asyncio.Event()

    def expect(self, symbol: str, streams: int) -> None:
        """Begin: so many streams of a symbol are to read the next event."""
        self.moments = []
        self._symbol, self._missing = symbol, streams
        self._all.clear()

    def hear(self, symbol: str) -> None:
        """Note that one of them has."""
        if symbol == self._symbol:
            self.moments.append(time.perf_counter())
            if len(self.moments) == self._missing:
                self._all.set()

    async def by_all(self) -> None:
        """Wait until all have."""
        async with asyncio.timeout(20):
            await self._all.wait()


class _Client(asyncio.Protocol):
    """Reads one stream, and says when an event has come."""

    def __init__(
        self, request: bytes, symbol: str, heard: Heard, is_in: Callable[[], None]
    ) -> None:
        self._request = request
        self._symbol = symbol
        self._heard = heard
        self._is_in = is_in
        self._waits = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read."""
        if self._waits and b"event: snapshot" in data:
            self._waits = False
            self._is_in()
        if b"event: unchanged" in data:
            self._heard.hear(self._symbol)


@asynccontextmanager
async def open_streams(port: int, symbols: Sequence[str], heard: Heard) -> AsyncIterator[float]:
    """Open a stream for each symbol; yields in how many seconds all were in."""
    loop = asyncio.get_running_loop()
    tokens = [_token() for _ in symbols]
    left = len(symbols)
    all_in = asyncio.Event()

    def is_in() -> None:
        nonlocal left
        left -= 1
        if not left:
            all_in.set()

    async def connect(symbol: str, token: str) -> asyncio.BaseTransport:
        request = (
            f"GET /functions/v1/refresh-events?symbol={symbol}&dataTypes=bench_quote HTTP/1.1\r\n"
            f"Host: endpoint\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        transport, _ = await loop.create_connection(
            lambda: _Client(request, symbol, heard, is_in), "127.0.0.1", port
        )
        return transport

    begun = time.perf_counter()
    made = await asyncio.gather(*map(connect, symbols, tokens))
    try:
        async with asyncio.timeout(60):
            await all_in.wait()
        yield time.perf_counter() - begun
    finally:
        for transport in made:
            transport.close()
        await asyncio.sleep(1)


def _token() -> str:
    """Return the token of a user of its own: how much each may watch is counted."""
    claims = {"role": "authenticated", "aud": "authenticated", "sub": str(uuid4())}
    return jwt.encode({**claims, "exp": datetime.now(UTC) + timedelta(hours=1)}, SECRET)
