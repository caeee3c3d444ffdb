"""What is told of keys on the channel freshness_events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """What has become of a key: a row of freshness.events, without its message.

    `kind` is queued too, of which there is no row. `status` and the times are the key's from then
    on, as streams say them (`StreamState`).
    """

    id: int
    data_type: str
    symbol: str
    kind: str
    status: str = "queued"
    fresh_until: datetime | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyLine:
    """What a refresher has said of a key, when (the database's clock), after lines left out."""

    data_type: str
    symbol: str
    line: str
    said_at: datetime
    left_out: int


def read_event(payload: str) -> KeyEvent | KeyLine:
    """Read a notification. Whoever is in the database can send one, so nothing in it is trusted.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        said = json.loads(payload)
        kind = _text(said["kind"])
        if kind == "log":
            return KeyLine(
                _text(said["data_type"]),
                _text(said["symbol"]),
                _text(said["line"]),
                _moment(said["said_at"]),
                _number(said["left_out"]),
            )
        return KeyEvent(
            _number(said["id"]),
            _text(said["data_type"]),
            _text(said["symbol"]),
            kind,
            _text(said["status"]),
            None if said["fresh_until"] is None else _moment(said["fresh_until"]),
            None if said["due_at"] is None else _moment(said["due_at"]),
        )
    except (KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError("a notification that is none of ours") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise TypeError
    # What cannot be said in UTC cannot be told to anybody.
    return moment.astimezone(UTC)
