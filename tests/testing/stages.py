"""The two queues of the conformance tests, worked by the same words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from pyworker.job import Job, Row
from pyworker.queue.calls import Calls
from pyworker.queue.looks import LookQueue
from pyworker.queue.operations import OperatorQueue
from pyworker.queue.refreshes import RefreshQueue
from pyworker.runner import Endings
from pyworker.testing import FakeClock, MemoryQueue
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType
from tests.worker import states

TTL = 60.0
MAX_ATTEMPTS = 3
BACKOFF = (2.0, 8.0)
COLUMNS = ("symbol", "price", "fetched_at")


class Stage(Protocol):
    """One data type with a ttl of 60 s, whose keys are watched."""

    @property
    def queue(self) -> Endings:
        """The queue under test."""

    def now(self) -> datetime:
        """Return the moment by the queue's clock."""

    async def watch(self, symbol: str) -> None: ...

    async def store(self, symbol: str, age: float, price: float = 1) -> None: ...

    async def delete(self, symbol: str) -> None: ...

    async def request(self, symbol: str) -> None: ...

    async def retry(self, symbol: str) -> None: ...

    async def claim(self) -> list[Job]: ...

    async def advance(self, seconds: float) -> None: ...

    async def price(self, symbol: str) -> float | None: ...

    async def kinds(self, symbol: str) -> list[str]: ...


class MemoryStage:
    """On the queue in memory."""

    def __init__(self) -> None:
        self._clock = FakeClock()
        self.queue = MemoryQueue(
            self._clock,
            "quote",
            ttl=TTL,
            max_attempts=MAX_ATTEMPTS,
            backoff_first=BACKOFF[0],
            backoff_longest=BACKOFF[1],
            columns=COLUMNS,
        )

    def now(self) -> datetime:
        return self._clock.now()

    async def watch(self, symbol: str) -> None:
        self.queue.watch(symbol)

    async def store(self, symbol: str, age: float, price: float = 1) -> None:
        at = self._clock.now() - timedelta(seconds=age)
        self.queue.store(symbol, {"price": price, "fetched_at": at})

    async def delete(self, symbol: str) -> None:
        self.queue.delete(symbol)

    async def request(self, symbol: str) -> None:
        self.queue.request(symbol)

    async def retry(self, symbol: str) -> None:
        self.queue.retry(symbol)

    async def claim(self) -> list[Job]:
        return self.queue.claim()

    async def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    async def price(self, symbol: str) -> float | None:
        rows: Sequence[Row] = self.queue.rows(symbol)
        return float(rows[0]["price"]) if rows else None

    async def kinds(self, symbol: str) -> list[str]:
        return [event.kind for event in self.queue.events if event.symbol == symbol]


@dataclass
class PostgresStage:
    """On Postgres: what cannot wait is moved into the past instead."""

    connection: Connection
    quotes: DataType
    calls: Calls
    worker: int

    @property
    def queue(self) -> Endings:
        return RefreshQueue(self.calls)

    def now(self) -> datetime:
        moment: datetime = self._one("select clock_timestamp()")
        return moment

    async def watch(self, symbol: str) -> None:
        states.watch(self.connection, self.quotes, symbol)

    async def store(self, symbol: str, age: float, price: float = 1) -> None:
        self.quotes.store(self.connection, symbol, age, price)

    async def delete(self, symbol: str) -> None:
        self.connection.execute(f"delete from {self.quotes.table} where symbol = %s", [symbol])

    async def request(self, symbol: str) -> None:
        self.connection.execute(
            "select freshness.request(%s, array[%s], true)", [self.quotes.name, symbol]
        )

    async def retry(self, symbol: str) -> None:
        assert await OperatorQueue(self.calls).retry(self.quotes.name, symbol) == 1

    async def claim(self) -> list[Job]:
        return (await LookQueue(self.calls).turn(self.worker, [self.quotes.name], 100)).jobs

    async def advance(self, seconds: float) -> None:
        past = f"- interval '{seconds} seconds'"
        times = (
            "run_at",
            "not_before",
            "requested_at",
            "required_as_of",
            "stored_at",
            "verified_at",
            "fresh_until",
            "started_at",
        )
        with self.connection.transaction():
            self.connection.execute(
                f"update freshness.jobs set {', '.join(f'{t} = {t} {past}' for t in times)}"
                " where data_type = %s",
                [self.quotes.name],
            )
            self.connection.execute(
                f"update {self.quotes.table} set fetched_at = fetched_at {past}"
            )

    async def price(self, symbol: str) -> float | None:
        return states.price(self.connection, self.quotes, symbol)

    async def kinds(self, symbol: str) -> list[str]:
        kinds = states.events(self.connection, self.quotes, symbol)
        return [kind for kind in kinds if kind != "refreshing"]

    def _one(self, question: str) -> Any:
        found = self.connection.execute(question).fetchone()
        assert found is not None
        return found[0]
