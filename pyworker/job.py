"""What the queue hands out and takes back: plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """What can be fresh or stale: one symbol of one data type."""

    data_type: str
    symbol: str


def is_text(value: object) -> bool:
    """Whether Postgres can hold a value as text: without NUL, and without half of a pair."""
    return (
        isinstance(value, str)
        and "\0" not in value
        and not any("\ud800" <= character <= "\udfff" for character in value)
    )


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed job: a key to refresh now.

    `started_at` is the refresh's "as of": rows without a timestamp of their own get it.
    `stored_at` is the timestamp of the newest row stored so far, None when there is none.
    `attempts` counts the failures since the last success. `due_at` can lie a little ahead: the
    worker waits for it before the fetch. `validators` are those that the source gave last, while
    the rows that they are of are stored. `alone`: not in a batch, since one with it was refused.
    """

    data_type: str
    symbol: str
    fence: int
    started_at: datetime
    stored_at: datetime | None
    attempts: int
    due_at: datetime
    validators: Mapping[str, str] | None = field(default=None, hash=False)
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a refresh ended, and in how many seconds its key is due again (None: unknown).

    `outcome` is fresh, unchanged, superseded, missing or stale after a finish; scheduled (to be
    tried again), retry_after (when the source asked for it), failed (set aside) or lost (taken
    over meanwhile) after a failure.
    """

    outcome: str
    due_in: float | None


@dataclass(slots=True)
class Ending:
    """What a refresh brought: rows as JSON (None: what is stored is current), and what to note.

    `validators` are JSON too, `received` is the size of the source's answers in bytes, `calls` how
    many it has really seen.
    """

    job: Job
    rows: str | None
    validators: str | None
    received: int | None
    calls: int | None


@dataclass(frozen=True, slots=True)
class Turned:
    """What a turn did: how refreshes ended, and which jobs it claimed.

    `ended` is by fence; None: by itself it would be refused, or have to wait. `asleep`: the worker
    has not to settle anew, and something is due in `due_in` seconds (None: nothing is known).
    """

    ended: Mapping[int, Ended | None]
    jobs: list[Job]
    asleep: bool = False
    due_in: float | None = None


@dataclass(frozen=True, slots=True)
class Sleeper:
    """How a sleeping worker can be woken: its own channel, and the backend that listens to it."""

    channel: str | None
    listener: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker that is falling asleep sees.

    `seconds` until something is due (0 or less: now; None: nothing is known). `settled`: nobody
    is left who may have written a job without seeing that we sleep; otherwise `since` and
    `suspects` are for the next look. `looked_at` is the database's clock. `queue_usage` is how full
    the server's notification queue is, in per cent; None when nobody asked.
    """

    seconds: float | None
    settled: bool
    since: int | None
    suspects: list[str] | None
    looked_at: datetime
    queue_usage: float | None = None


@dataclass(frozen=True, slots=True)
class KeyState:
    """The state of a key as people see it.

    `status` is fresh (until `fresh_until`), queued (due at `due_at`), running (since `due_at`),
    failed (held back until `due_at`), unknown_data_type or invalid_symbol.
    """

    data_type: str
    symbol: str
    status: str
    fresh_until: datetime | None
    due_at: datetime | None
