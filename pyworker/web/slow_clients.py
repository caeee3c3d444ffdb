"""Ends connections whose client takes too long to say what it wants."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


def protocol_with_limit(seconds: float) -> type[H11Protocol]:
    """Return uvicorn's protocol for HTTP with a limit for each request's head.

    It begins with the connection, or with the first byte after an answer; bytes that trickle in
    do not extend it. The body's limit is with those who read it.
    """

    class LimitedProtocol(H11Protocol):
        _head_is_due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._rest()
            super().connection_lost(exc)

        def _watch(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._rest()
            elif self._head_is_due is None:
                self._head_is_due = self.loop.call_later(seconds, self._give_up)

        def _rest(self) -> None:
            if self._head_is_due is not None:
                self._head_is_due.cancel()
                self._head_is_due = None

        def _give_up(self) -> None:
            self._head_is_due = None
            if self.cycle is None or self.cycle.response_complete:
                # Without a head there is nothing to answer.
                self.transport.abort()

    return LimitedProtocol
