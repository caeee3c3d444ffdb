"""An answer that goes on: server-sent events, until one side ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pyworker.events.stream import Stream
from pyworker.events.texts import HEARTBEAT, event_text

# Seconds. Proxies end what is silent for a minute; a client that takes nothing is gone.
HEARTBEAT_INTERVAL = 15.0
STALLED_AFTER = 60.0
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


class EventStream(Response):
    """Sends what a stream holds as it comes.

    Args:
        stream: where it comes from.
        greeting: what is sent first.
        lasts: for how many seconds the caller's token is good; None: without end.
        open_for: holds while it is open, and lets go when it is over, whichever way.
    """

    def __init__(
        self,
        stream: Stream,
        greeting: bytes,
        lasts: float | None,
        open_for: Callable[[Stream], AbstractContextManager[None]],
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._stream = stream
        self._greeting = greeting
        self._lasts = lasts
        self._open_for = open_for

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client leaves, the token ends, or the stream is stopped."""
        with self._open_for(self._stream):
            await self._send(receive, send)

    async def _send(self, receive: Receive, send: Send) -> None:
        stream = self._stream
        expiry = None
        if self._lasts is not None:
            loop = asyncio.get_running_loop()
            expiry = loop.call_later(max(self._lasts, 0), stream.stop, "token_expired")
        leaving = asyncio.create_task(_stop_when_gone(receive, stream))
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            await _write(send, self._greeting)
            while True:
                text = await stream.take(HEARTBEAT_INTERVAL)
                if stream.stopped == "left":
                    return
                if stream.stopped is not None:
                    text += event_text("stopped", {"reason": stream.stopped})
                    await _write(send, text, more=False)
                    return
                await _write(send, text or HEARTBEAT)
        except TimeoutError:
            # It takes nothing any more.
            return
        finally:
            leaving.cancel()
            if expiry is not None:
                expiry.cancel()


async def _write(send: Send, text: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(STALLED_AFTER):
        await send({"type": "http.response.body", "body": text, "more_body": more})


async def _stop_when_gone(receive: Receive, stream: Stream) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            stream.stop("left")
            return
