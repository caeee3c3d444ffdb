"""What takes cards without a database, and the application on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from starlette.applications import Starlette

from pyworker.event_listener import EventListener
from pyworker.job import Key, KeyState
from pyworker.queue.calls import Calls
from pyworker.queue.cards import CardQueue
from pyworker.settings import Settings
from pyworker.web.application import create_application
from pyworker.web.database_cards import DatabaseCards

FRESH_UNTIL = datetime(2026, 1, 2, 5, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
KNOWN = ("quote", "profile", "market")


class FakeQueue(CardQueue):
    """Answers as the database does, and fails where the database could not store a value."""

    def __init__(self) -> None:
        self.watched: list[tuple[list[Key], str, str, float | None]] = []
        self.error: Exception | None = None

    async def add_cards(
        self, keys: Iterable[Key], watcher: str, role: str, lease: float | None = None
    ) -> list[KeyState]:
        """Keep what was asked; market is global."""
        if self.error:
            raise self.error
        asked = list(keys)
        for text in (watcher, *(key.symbol for key in asked), *(key.data_type for key in asked)):
            text.encode()
            assert "\0" not in text
        assert 1 <= len(watcher) <= 200
        assert all(len(key.symbol) <= 200 for key in asked)
        self.watched.append((asked, watcher, role, lease))
        return [self._state(key) for key in asked]

    @staticmethod
    def _state(key: Key) -> KeyState:
        if key.data_type not in KNOWN:
            return KeyState(key.data_type, key.symbol, "unknown_data_type", None, None)
        if key.data_type == "market":
            return KeyState(key.data_type, "GLOBAL", "queued", None, FRESH_UNTIL)
        if not key.symbol:
            return KeyState(key.data_type, key.symbol, "invalid_symbol", None, None)
        return KeyState(key.data_type, key.symbol, "fresh", FRESH_UNTIL, FRESH_UNTIL)


class NoCalls(Calls):
    """Without a pool: nothing can be asked."""

    def __init__(self) -> None:
        pass


def application_on(cards: CardQueue, settings: Settings) -> Starlette:
    """The application without a database, but for what takes cards."""
    taking = DatabaseCards(cards, settings.lease, None)
    return create_application(NoCalls(), taking, settings, EventListener("postgresql://nowhere"))
