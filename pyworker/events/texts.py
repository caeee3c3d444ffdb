"""Events as they go over the wire: server-sent events, each with its data as JSON in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pyworker.key_event import KeyLine
from pyworker.stream_state import StreamState

HEARTBEAT = b":\n\n"

# Of a kind that is not here the state says what has happened, such as taken_over: queued.
_NAMES = {
    "refreshing": "refreshing",
    "fresh": "fresh",
    "superseded": "fresh",
    "unchanged": "unchanged",
    "missing": "missing",
    "failed": "failed",
    "retry_after": "failed",
}


def event_text(name: str, data: Mapping[str, Any], identity: int | None = None) -> bytes:
    """Return one event. JSON without bare line breaks keeps any symbol within its line."""
    line = "" if identity is None else f"id: {identity}\n"
    written = json.dumps(data, separators=(",", ":"))
    return f"event: {name}\n{line}data: {written}\n\n".encode()


def state_text(state: StreamState, kind: str | None = None) -> bytes:
    """Return the event that tells a state; `kind`: of what has happened, None: not known."""
    name = _NAMES.get(kind or "", state.status)
    data = {
        "dataType": state.data_type,
        "symbol": state.symbol,
        "status": state.status,
        "version": state.version,
        "freshUntil": _timestamp(state.fresh_until),
        "dueAt": _timestamp(state.due_at),
    }
    return event_text("snapshot" if kind == "snapshot" else name, data, state.version)


class LineText:
    """The event that tells a refresher's line, written once for all streams of its key."""

    __slots__ = ("_line", "_text")

    def __init__(self, line: KeyLine) -> None:
        self._line = line
        self._text = self._written(0)

    @property
    def lost(self) -> int:
        """How many lines are lost without this one, itself and those that were before it."""
        return self._line.left_out + 1

    def after(self, lost: int) -> bytes:
        """Return the event to send when so many lines before it were not."""
        return self._written(lost) if lost else self._text

    def _written(self, lost: int) -> bytes:
        line = self._line
        data = {
            "dataType": line.data_type,
            "symbol": line.symbol,
            "line": line.line,
            "saidAt": _timestamp(line.said_at),
            "leftOut": line.left_out + lost,
        }
        # Without an id: a stream that is opened again goes on from a state.
        return event_text("log", data)


def _timestamp(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
