"""Waits for keys, and who is told of their ends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import class_row

from pyworker.key_freshness import WaitState
from pyworker.queue.calls import Calls


class WaitQueue:
    """What a process asks whose tasks wait; its `backend` is the connection that listens."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def wait_for(
        self,
        data_type: str,
        symbols: Sequence[str],
        since: Sequence[datetime | bool],
        backend: int | None = None,
        priority: int | None = None,
    ) -> list[WaitState]:
        """Begin waits for keys of one data type, or look at them again, all of a key together.

        `since`: True asks for "refresh now", and is what `WaitState.since` says from then on;
        False asks to "make sure it is fresh". Ends are told to the `backend` that listens; None:
        to nobody. What is no symbol is left out of the answer.
        """
        return await self._calls.rows(
            "select * from freshness.wait_for(%s, %s, %s, %s::timestamptz[], %s, %s)",
            (
                data_type,
                list(symbols),
                [moment is not False for moment in since],
                [None if isinstance(moment, bool) else moment for moment in since],
                backend,
                priority,
            ),
            class_row(WaitState),
        )

    async def stop_listening(
        self, backend: int, data_type: str | None = None, symbols: Sequence[str] = ()
    ) -> None:
        """Have nothing more told to a backend's waits: of these keys, or of any."""
        await self._calls.value(
            "select freshness.stop_listening(%s, %s, %s, false)",
            (backend, data_type, list(symbols)),
        )

    async def forget_lost_listeners(self) -> int:
        """Forget those who listened and are gone; returns how many keys they listened for."""
        return int(await self._calls.value("select freshness.forget_lost_listeners()"))
