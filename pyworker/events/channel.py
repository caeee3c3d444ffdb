"""One key that this process streams: its latest state, and who wants to know."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from pyworker.database_clock import DatabaseClock
from pyworker.events.stream import Stream
from pyworker.events.texts import state_text
from pyworker.job import Key
from pyworker.stream_state import StreamState


class Channel:
    """All streams of a key share it. It remembers only what can be read."""

    __slots__ = ("_alarm", "_clock", "key", "state", "streams")

    def __init__(self, key: Key, state: StreamState, clock: DatabaseClock) -> None:
        self.key = key
        self.state = state
        self.streams: set[Stream] = set()
        self._clock = clock
        self._alarm: asyncio.TimerHandle | None = None
        self._set_alarm()

    def offer(self, state: StreamState, kind: str | None = None) -> None:
        """Take in a state, and tell it unless it is older than, or the same as, the last one."""
        if state.version <= self.state.version:
            return
        is_news = kind is not None or not state.says_the_same(self.state)
        self.state = state
        self._set_alarm()
        if is_news:
            self._tell(kind)

    def correct(self, state: StreamState) -> None:
        """Take in what the database says, when nothing was heard since it was asked.

        Whatever was heard before is older: a greater version was not the database's. Anybody who
        is in it can notify.
        """
        if state.version < self.state.version:
            self.state = replace(self.state, version=state.version - 1)
        self.offer(state)

    def close(self) -> None:
        """Tell nothing any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    def _tell(self, kind: str | None) -> None:
        text = state_text(self.state, kind)
        for stream in self.streams:
            stream.put(self.key, text)

    def _set_alarm(self) -> None:
        self.close()
        self._alarm = None
        until = self.state.fresh_until
        if self.state.status == "fresh" and until is not None:
            left = self._clock.seconds_until(until)
            # Unknown: the next look will tell.
            if left < float("inf"):
                loop = asyncio.get_running_loop()
                self._alarm = loop.call_later(max(left, 0), self._go_stale, until)

    def _go_stale(self, until: datetime) -> None:
        if self._clock.seconds_until(until) > 0:
            # The clock was set back, or the timer was early.
            self._set_alarm()
            return
        # It follows from the state before, so it has the same version.
        self.state = replace(self.state, status="stale")
        self._tell(None)
