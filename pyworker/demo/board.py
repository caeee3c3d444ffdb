"""The cards on the page, and what is to be seen of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pyworker.demo.data_types import DATA_TYPES, NAMES, SYMBOLS
from pyworker.demo.history import Way
from pyworker.demo.looks import Looks, State
from pyworker.demo.recorder import Recorder
from pyworker.demo.viewers import Viewer, Viewers
from pyworker.job import Key


class Board:
    """One board for all pages: each shows the same cards, also when it is opened later."""

    def __init__(self, viewers: Viewers, looks: Looks, recorder: Recorder) -> None:
        self._viewers = viewers
        self._looks = looks
        self._recorder = recorder
        self._cards: dict[Key, list[Viewer]] = {}

    def show(self, key: Key) -> None:
        """Put a card on the board for viewers who are not on a page."""
        self._cards.setdefault(key, [])

    async def add(self, key: Key, way: Way) -> None:
        """Put a card on the board, and a viewer behind it who watches its key.

        Raises:
            DemoError: the endpoint refuses.
            psycopg.Error: the database refuses.
        """
        self.show(key)
        if way == "card":
            viewer = await self._viewers.add_card([key])
        else:
            viewer = await self._viewers.subscribe(key)
        self._cards.setdefault(key, []).append(viewer)

    async def remove(self, key: Key) -> None:
        """Take a card off the board; those who watched its key through a page leave."""
        viewers = self._cards.pop(key, [])
        try:
            while viewers:
                await self._viewers.leave(viewers[-1])
                viewers.pop()
        finally:
            if viewers:
                self._cards.setdefault(key, []).extend(viewers)

    def choices(self) -> dict[str, Any]:
        """Return what cards can be made of."""
        return {
            "symbols": [{"symbol": symbol, "name": NAMES[symbol]} for symbol in SYMBOLS],
            "dataTypes": [
                {"name": each.name, "title": each.title, "ttl": each.ttl}
                for each in DATA_TYPES.values()
            ],
        }

    async def snapshot(self) -> dict[str, Any]:
        """Return everything that a page shows."""
        await self._recorder.update()
        states = await self._looks.states(list(self._cards))
        return {
            "figures": self._recorder.figures(),
            "cards": [self._card(state) for state in states],
            "recent": [
                {
                    "id": event.id,
                    "symbol": event.key.symbol,
                    "title": DATA_TYPES[event.key.data_type].title,
                    "kind": event.kind,
                    "milliseconds": round((event.seconds or 0) * 1000),
                    "message": event.message,
                }
                for event in reversed(self._recorder.recent)
            ],
        }

    def _card(self, state: State) -> dict[str, Any]:
        data_type = DATA_TYPES[state.key.data_type]
        viewers = self._cards.get(state.key, [])
        return {
            **{name: value for name, value in asdict(state).items() if name != "key"},
            "symbol": state.key.symbol,
            "dataType": data_type.name,
            "title": data_type.title,
            "name": NAMES.get(state.key.symbol, state.key.symbol),
            "ttl": data_type.ttl,
            "viewers": self._viewers.watching[state.key],
            "ways": sorted({viewer.way for viewer in viewers}),
        }
