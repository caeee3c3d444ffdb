"""Counts the bytes that a refresh receives over the shared HTTP clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

import httpx


@dataclass(slots=True)
class Received:
    """The size of what came over the wire so far, before decompression."""

    size: int = 0

    @property
    def known(self) -> int | None:
        """The size; None when nothing came by our clients: then nobody knows."""
        return self.size or None


class Meter:
    """Adds what a response brings to the measurement that is running where it was asked for.

    That is the task or thread which called, and those which it has started.
    """

    def __init__(self) -> None:
        self._running: ContextVar[Received | None] = ContextVar("received", default=None)

    def measure(self) -> Received:
        """Measure what this task receives from now on, and those that it starts."""
        received = Received()
        self._running.set(received)
        return received

    async def watch(self, response: httpx.Response) -> None:
        """Count a response of an async client; one of its event hooks."""
        received = self._running.get()
        if received is not None and isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _AsyncCounted(response.stream, received)

    def watch_sync(self, response: httpx.Response) -> None:
        """Count a response of a sync client; one of its event hooks."""
        received = self._running.get()
        if received is not None and isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _SyncCounted(response.stream, received)


class _AsyncCounted(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, received: Received) -> None:
        self._stream = stream
        self._received = received

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._received.size += len(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class _SyncCounted(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, received: Received) -> None:
        self._stream = stream
        self._received = received

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._received.size += len(chunk)
            yield chunk

    def close(self) -> None:
        self._stream.close()
