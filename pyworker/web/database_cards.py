"""Cards over a connection to the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pyworker.job import Key, KeyState
from pyworker.queue.cards import CardQueue
from pyworker.web.asked_cards import AskedCards
from pyworker.web.key_waits import KeyWaits
from pyworker.web.problems import ProblemError

UNKNOWN, FORBIDDEN = "unknown_data_type", "forbidden"
ON_THE_WAY = frozenset({"queued", "running"})
LONGEST_NAME = 50


class DatabaseCards:
    """Takes or renews the caller's lease on keys; see `Cards`.

    Args:
        queue: what to ask.
        lease: seconds.
        waits: where requests wait for fresh data; None: they are answered at once.
    """

    def __init__(self, queue: CardQueue, lease: float, waits: KeyWaits | None) -> None:
        self._queue = queue
        self._lease = lease
        self._waits = waits

    async def add(self, asked: AskedCards) -> dict[str, Any]:
        """Return the answer's body, after as long a wait as was asked for."""
        caller = asked.caller
        states: Sequence[KeyState] = await self._queue.add_cards(
            asked.keys, caller.watcher, caller.role, self._lease
        )
        _refuse_if_none_is_of_use(states)
        if asked.wait and self._waits is not None:
            states = await self._fresh(states, self._waits, asked.wait)
        return {
            "success": True,
            "leaseSeconds": int(self._lease) if self._lease.is_integer() else self._lease,
            "keys": [_as_json(state) for state in states],
        }

    async def _fresh(
        self, states: Sequence[KeyState], waits: KeyWaits, seconds: float
    ) -> Sequence[KeyState]:
        keys = [
            Key(state.data_type, state.symbol) for state in states if state.status in ON_THE_WAY
        ]
        if not keys:
            return states
        await waits.wait(keys, seconds)
        now = dict(zip(keys, await self._queue.key_states(keys), strict=True))
        return [now.get(Key(state.data_type, state.symbol), state) for state in states]


def _refuse_if_none_is_of_use(states: Sequence[KeyState]) -> None:
    statuses = {state.status for state in states}
    if statuses == {UNKNOWN}:
        names = dict.fromkeys(state.data_type[:LONGEST_NAME] for state in states)
        raise ProblemError(
            422, "UNKNOWN_DATA_TYPE", f"None of these data types is known: {', '.join(names)}."
        )
    if statuses <= {UNKNOWN, FORBIDDEN}:
        raise ProblemError(403, "FORBIDDEN", "You may not read the tables of these data types.")


def _as_json(state: KeyState) -> dict[str, Any]:
    return {
        "symbol": state.symbol or None,
        "dataType": state.data_type,
        "status": state.status,
        "freshUntil": _timestamp(state.fresh_until),
        "dueAt": _timestamp(state.due_at),
    }


def _timestamp(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
