"""What applications use: ask for keys, and wait until they are fresh."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from pyworker.errors import InvalidRequest
from pyworker.event_listener import EventListener
from pyworker.job import Key, is_text
from pyworker.key_freshness import KeyFreshness, StoredRows
from pyworker.queue.calls import open_calls
from pyworker.queue.keys import KeyQueue
from pyworker.queue.waits import WaitQueue
from pyworker.wait import Wait
from pyworker.waiting_room import WaitingRoom


class Client:
    """Asks for keys. One for a process, opened once: all of its tasks share one look and one ear.

    ```python
    async with Client(database_url) as client:
        quote = await client.wait_until_fresh("quote", "AAPL", timeout=5)
    ```

    Raises, from every method: `DatabaseUnavailable` when Postgres cannot be reached (a wait goes
    on instead), `InvalidRequest` for a data type that is not registered, or what is no symbol.
    """

    def __init__(self, database_url: str, *, connections: int = 4) -> None:
        self._database_url = database_url
        self._connections = connections
        self._resources = AsyncExitStack()
        self._keys: KeyQueue
        self._room: WaitingRoom
        self._listener: EventListener

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ConfigurationError: the URL is none.
            DatabaseUnavailable: no connection could be made within ten seconds.
        """
        calls = await self._resources.enter_async_context(
            open_calls(self._database_url, self._connections)
        )
        self._keys = KeyQueue(calls)
        self._listener = EventListener(self._database_url)
        self._room = WaitingRoom(WaitQueue(calls), self._listener)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect; who still waits gets `DatabaseUnavailable`."""
        async with self._resources:
            await self._room.end()

    @property
    def mode(self) -> str:
        """How waits learn of an end: `listen`, or `poll` while nothing can be heard."""
        return "poll" if self._listener.backend is None else "listen"

    async def request(
        self, data_type: str, symbol: str = "GLOBAL", *, priority: int | None = None
    ) -> bool:
        """Ask for fresh data, and go on: "make sure it is fresh". True when that queued a refresh.

        A fetch that is under way satisfies it. `priority` is 0 to 9, and the data type's own if
        not given; higher is more urgent.
        """
        return await self._keys.request(_key(data_type, symbol), priority=priority)

    async def refresh_now(
        self, data_type: str, symbol: str = "GLOBAL", *, priority: int | None = None
    ) -> bool:
        """Ask for a fetch that begins later than this call, however fresh the data is."""
        return await self._keys.request(
            _key(data_type, symbol), refresh_now=True, priority=priority
        )

    async def get_or_queue(self, data_type: str, symbol: str = "GLOBAL") -> StoredRows:
        """Return what is stored, and queue a refresh if it is due: one round trip, no waiting."""
        return await self._keys.get_or_queue(_key(data_type, symbol))

    async def wait_until_fresh(
        self,
        data_type: str,
        symbol: str = "GLOBAL",
        *,
        timeout: float | None = 30,  # noqa: ASYNC109 - a last look follows
        refresh_now: bool = False,
        priority: int | None = None,
    ) -> KeyFreshness:
        """Return as soon as the data is fresh; ask for it if it is not.

        Ten tasks that wait for a key, in any number of processes, share one fetch. They make no
        queries while they wait. With `refresh_now` it ends with a fetch that begins later than
        this call, whatever was under way. It also ends when there is nothing to wait for: the
        source has no such rows (`status` missing), or the key is set aside after failing
        (failed, with the reason in `error`). `timeout` is in seconds; None: without end.

        Raises:
            NotFreshInTime: a `TimeoutError`, with what was known last in `state`.
        """
        wait = Wait(_key(data_type, symbol), refresh_now=refresh_now, priority=priority)
        return await self._room.wait(wait, timeout)


def _key(data_type: str, symbol: str) -> Key:
    # Refused here: in the question that serves all who wait it would fail all of them.
    if not (is_text(data_type) and is_text(symbol)):
        raise InvalidRequest(f"{data_type!r} {symbol!r} is no data type and symbol")
    return Key(data_type, symbol)
