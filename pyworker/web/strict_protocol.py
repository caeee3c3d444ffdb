"""Ends connections whose client takes too long to say what it wants, or speaks no HTTP."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class StrictProtocol(H11Protocol):
    """uvicorn's protocol for HTTP, with a limit (s) for each request's head.

    It begins with the connection, or with the first byte after an answer; bytes that trickle in
    do not extend it. The body's limit is with those who read it; one that nobody reads is under
    this one.
    """

    limit: float
    _head_is_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Begin to wait, or go on, unless a request is being answered."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in place of the application if its request turns into that."""
        can_answer = self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE)
        if self._is_answering():
            # The application is told that nobody is there; what it says is dropped.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            if can_answer:
                super().send_400_response(msg)
                return
        except h11.LocalProtocolError:
            # An answer to HEAD has no body, which uvicorn would send.
            pass
        self.transport.abort()

    def _watch(self) -> None:
        if self._is_answering():
            self._rest()
        elif self._head_is_due is None:
            self._head_is_due = self.loop.call_later(self.limit, self._give_up)

    def _rest(self) -> None:
        if self._head_is_due is not None:
            self._head_is_due.cancel()
            self._head_is_due = None

    def _give_up(self) -> None:
        self._head_is_due = None
        if not self._is_answering():
            # Without a head there is nothing to answer.
            self.transport.abort()

    def _is_answering(self) -> bool:
        # There is no cycle before the first request.
        return not getattr(self.cycle, "response_complete", True)


def protocol_with_limit(seconds: float) -> type[StrictProtocol]:
    """Return the protocol with a limit."""

    class Strict(StrictProtocol):
        limit = seconds

    return Strict
