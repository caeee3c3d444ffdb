"""Brings the history up to date from the database, the provider and the worker's log."""

from __future__ import annotations

from time import time

import httpx

from pyworker.demo.data_types import DATA_TYPES
from pyworker.demo.errors import DemoError
from pyworker.demo.history import Event, History
from pyworker.demo.looks import Looks
from pyworker.demo.report import Figures, figures
from pyworker.demo.starts import Starts

TTLS = {data_type.name: float(data_type.ttl) for data_type in DATA_TYPES.values()}
RECENT = 8


class Recorder:
    """Holds the history of a run and turns it into figures."""

    def __init__(
        self, history: History, looks: Looks, provider: httpx.AsyncClient, starts: Starts
    ) -> None:
        self.history = history
        self.recent: list[Event] = []
        self._looks = looks
        self._provider = provider
        self._starts = starts
        self._began = time()

    async def update(self) -> None:
        """Take in what happened since the last time.

        Raises:
            DemoError: the provider does not answer.
        """
        events = await self._looks.events(self.history.last_event)
        self._remember(events)
        self.history.add_events(events)
        try:
            answer = await self._provider.get("/figures")
            found = answer.raise_for_status().json()
        except httpx.HTTPError as error:
            raise DemoError(f"the provider does not answer: {type(error).__name__}") from error
        for key, at in self._starts.new():
            self.history.add_start(key, at)
        self.history.calls = found["calls"]
        self.history.refused = found["refused"]
        self.history.overlapping_calls = found["overlapping"]

    def figures(self, duplicate_rows: int = 0) -> Figures:
        """Return the figures up to now."""
        return figures(self.history, TTLS, self._began, time(), duplicate_rows)

    def _remember(self, events: list[Event]) -> None:
        known = {event.id for event in self.recent}
        news = [event for event in events if event.seconds is not None and event.id not in known]
        self.recent = sorted([*self.recent, *news], key=lambda event: event.id)[-RECENT:]
