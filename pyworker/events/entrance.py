"""Those who want a stream, until the next question to the database lets them all in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pyworker.events.stream import Stream
from pyworker.job import Key
from pyworker.stream_state import OpenedKey, StreamState

TOO_MANY_WATCHED = "too_many_watched"
REFUSED = {"unknown_data_type", "invalid_symbol", "forbidden", TOO_MANY_WATCHED}


class TooManyStreams(Exception):
    """There is no room for another stream.

    `is_owners`: the owner has too many, or with `is_keys` would watch too many keys.
    """

    def __init__(self, *, is_owners: bool, is_keys: bool = False) -> None:
        super().__init__("too many streams")
        self.is_owners = is_owners
        self.is_keys = is_keys


class Refusal(Exception):
    """No key of a stream is let in; `statuses` say why: what each key's status is."""

    def __init__(self, statuses: set[str]) -> None:
        super().__init__(", ".join(sorted(statuses)))
        self.statuses = statuses


@dataclass(frozen=True, slots=True, eq=False)
class Joiner:
    """Somebody who wants a stream of keys, as a role that was verified."""

    stream: Stream
    keys: Sequence[Key]
    role: str
    is_in: asyncio.Future[None]


class Entrance:
    """Counts the streams that are in or come in, so that nobody takes all the room of a process.

    Their keys are counted in the database.

    Args:
        most: streams in all.
        most_of_one: streams of one owner.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._count = 0
        self._streams: Counter[str] = Counter()

    def come(self, owner: str, *, is_limited: bool) -> None:
        """Count a stream more.

        Raises:
            TooManyStreams: there is no room.
        """
        if self._count >= self._most:
            raise TooManyStreams(is_owners=False)
        if is_limited and self._streams[owner] >= self._most_of_one:
            raise TooManyStreams(is_owners=True)
        self._count += 1
        self._streams[owner] += 1

    def go(self, owner: str) -> None:
        """Count a stream less."""
        self._count -= 1
        self._streams[owner] -= 1
        if self._streams[owner] <= 0:
            del self._streams[owner]


def settle(joiner: Joiner, opened: Sequence[OpenedKey]) -> list[StreamState]:
    """Note which keys a joiner's stream is let in for; returns their states.

    Args:
        joiner: who asked.
        opened: what the database answered for each of the joiner's keys, in their order.
    """
    states, refused = [], []
    for key, found in zip(joiner.keys, opened, strict=True):
        if found.status in REFUSED or found.version is None:
            refused.append((Key(key.data_type, found.symbol), found.status))
            continue
        states.append(
            StreamState(
                key.data_type,
                found.symbol,
                found.status,
                found.fresh_until,
                found.due_at,
                found.version,
                found.looked_at,
            )
        )
    joiner.stream.refused = refused
    joiner.stream.keys = {Key(state.data_type, state.symbol) for state in states}
    return states
