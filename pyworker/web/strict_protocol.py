"""Ends connections whose client takes too long to say what it wants, or speaks no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LONGEST_HEAD = 65_536  # bytes
# Of a request, sent in chunks of a byte each, per byte of its body.
CHUNKED = 8


class StrictProtocol(HttpToolsProtocol):
    """uvicorn's protocol for HTTP, with a limit (s) for each request's head, and one of its bytes.

    It begins with the connection, or with the first byte after an answer; bytes that trickle in
    do not extend it. The body's limit is with those who read it; one that nobody reads is under
    this one.
    """

    limit: float
    most_bytes: int
    _head_is_due: asyncio.TimerHandle | None = None
    _received = 0
    _is_in_head = False
    # In their order: those behind the first wait until it is answered.
    _unanswered: Sequence[RequestResponseCycle] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Begin to wait, or go on, unless a request is being answered."""
        super().data_received(data)
        self._received += len(data)
        if self._received > (LONGEST_HEAD if self._is_in_head else self.most_bytes):
            # The parser sets no bounds to heads, trailers and what chunks may say of themselves.
            self.transport.abort()
            return
        self._watch()

    def on_message_begin(self) -> None:
        """Count the bytes of this request."""
        super().on_message_begin()
        self._received = 0
        self._is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; those that follow a body are dropped."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on with the body."""
        self._is_in_head = False
        super().on_headers_complete()
        unanswered = [cycle for cycle in self._unanswered if not cycle.response_complete]
        self._unanswered = (*unanswered, self.cycle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)
        self._disconnect()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in place of the application if its request turns into that."""
        if any(self._disconnect()):
            self.transport.abort()
            return
        super().send_400_response(msg)

    def _disconnect(self) -> list[bool]:
        """Tell the application that nobody is there, since uvicorn tells the last request alone.

        What it says is dropped from then on. Returns for each request whether an answer has begun.
        """
        cut_off = [cycle for cycle in self._unanswered if not cycle.response_complete]
        for cycle in cut_off:
            cycle.disconnected = True
            cycle.message_event.set()
        return [cycle.response_started for cycle in cut_off]

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


def protocol_with_limits(seconds: float, max_body_bytes: int) -> type[StrictProtocol]:
    """Return the protocol with its limits."""

    class Strict(StrictProtocol):
        limit = seconds
        most_bytes = LONGEST_HEAD + CHUNKED * max_body_bytes

    return Strict
