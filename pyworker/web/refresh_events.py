"""What becomes of keys, told to a page as it happens."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from pyworker.events import Refusal, Stream, Streams, TooManyStreams
from pyworker.events.texts import event_text
from pyworker.settings import Settings
from pyworker.web.authentication import Authentication, Caller
from pyworker.web.consumers import Consumers
from pyworker.web.event_stream import HEADERS, HEARTBEAT_INTERVAL, EventStream
from pyworker.web.problems import ProblemError
from pyworker.web.stream_keys import read_stream_keys

# Milliseconds: pages that lost their connection together come back one after the other.
RETRY, RETRY_SPREAD = 1000, 2000
LONGEST_NUMBER = 19


class RefreshEvents:
    """Opens a stream of server-sent events on the keys that the URL names."""

    def __init__(
        self,
        streams: Streams,
        settings: Settings,
        authentication: Authentication,
        consumers: Consumers,
    ) -> None:
        self._streams = streams
        self._settings = settings
        self._authentication = authentication
        self._consumers = consumers

    async def __call__(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            ProblemError: the caller or the URL is refused.
            DatabaseUnavailable: the database cannot be reached.
        """
        caller = await self._authentication.caller(request.headers)
        keys = read_stream_keys(request.query_params, self._settings.max_keys)
        if request.method == "HEAD":
            return Response(headers=HEADERS)
        try:
            stream = await self._streams.join(
                keys, caller.role, caller.watcher, is_limited=not caller.is_operator
            )
        except Refusal as refusal:
            raise _refused(refusal) from None
        except TooManyStreams as many:
            raise _no_room(many) from None
        greeting = self._greeting(stream, _last_event_id(request))
        return EventStream(stream, greeting, _seconds_left(caller), self._of)

    @contextmanager
    def _of(self, stream: Stream) -> Iterator[None]:
        try:
            with self._consumers.waiting():
                yield
        finally:
            self._streams.leave(stream)

    def _greeting(self, stream: Stream, last: int | None) -> bytes:
        retry = f"retry: {RETRY + secrets.randbelow(RETRY_SPREAD)}\n"
        connected = {
            "mode": self._streams.mode,
            "heartbeatSeconds": HEARTBEAT_INTERVAL,
            "keys": len(stream.keys),
            "resumed": last is not None and last <= self._streams.version_of(stream),
            "refused": [
                {"dataType": key.data_type, "symbol": key.symbol or None, "status": status}
                for key, status in stream.refused
            ],
        }
        return retry.encode() + event_text("connected", connected)


def _last_event_id(request: Request) -> int | None:
    # The snapshot that follows is the latest state in any case; ours are numbers.
    given = request.headers.get("last-event-id", "")
    is_number = given.isascii() and given.isdecimal() and len(given) <= LONGEST_NUMBER
    return int(given) if is_number else None


def _seconds_left(caller: Caller) -> float | None:
    if caller.expires_at is None:
        return None
    return (caller.expires_at - datetime.now(UTC)).total_seconds()


def _refused(refusal: Refusal) -> ProblemError:
    if refusal.statuses == {"unknown_data_type"}:
        return ProblemError(422, "UNKNOWN_DATA_TYPE", "None of these data types is known.")
    if refusal.statuses <= {"unknown_data_type", "forbidden"}:
        return ProblemError(403, "FORBIDDEN", "You may not read the tables of these data types.")
    return ProblemError(422, "INVALID_KEYS", "No symbol is one of its data type.")


def _no_room(many: TooManyStreams) -> ProblemError:
    if many.is_keys:
        message = "You would watch too many keys with your cards and streams: close some."
        return ProblemError(429, "TOO_MANY_WATCHED", message, {"Retry-After": "30"})
    if many.is_owners:
        message = "You have too many streams: close some, or ask for many keys in one."
        return ProblemError(429, "TOO_MANY_STREAMS", message, {"Retry-After": "30"})
    message = "There are too many streams at the moment. Try again."
    return ProblemError(503, "TOO_MANY_STREAMS", message, {"Retry-After": "30"})
