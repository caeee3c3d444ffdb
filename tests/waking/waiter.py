"""A process that begins to wait for a key, and a refresh of it that ends, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.waking.sleeper import MARK

IS_BLOCKED = "select wait_event_type = 'Lock' from pg_stat_activity where pid = %s"


class Actor:
    """Takes its steps one after the other, as far as no lock holds it up."""

    def __init__(self, connection: Connection, observer: Connection) -> None:
        self.connection = connection
        self._observer = observer
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def take(self, step: Callable[[], None]) -> None:
        """Begin a step; returns when it has ended, or waits for a lock, as then do all later."""
        self._last = self._thread.submit(step)
        deadline = time.monotonic() + 10
        while not self._last.done():
            assert time.monotonic() < deadline
            if self._is_blocked():
                return

    def end(self) -> None:
        """Wait until all steps have been taken."""
        if self._last is not None:
            self._last.result(10)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _is_blocked(self) -> bool:
        row = self._observer.execute(IS_BLOCKED, [self.connection.info.backend_pid]).fetchone()
        return row == (True,)


class Waiter(Actor):
    """Begins to wait; `is_over` says what it saw then."""

    def __init__(self, connect: Connect, quotes: DataType) -> None:
        super().__init__(connect(), connect())
        self._quotes = quotes
        self._listening = connect()
        self._listening.execute("listen freshness_events")
        self.is_over = False

    def begin(self) -> None:
        self.connection.execute("begin")

    def ask(self) -> None:
        row = self.connection.execute(
            "select is_over from freshness.wait_for("
            "%s, array['AAPL'], array[false], array[null]::timestamptz[], %s)",
            [self._quotes.name, self._listening.info.backend_pid],
        ).fetchone()
        self.is_over = row == (True,)

    def commit(self) -> None:
        self.connection.execute("commit")

    def was_told(self) -> bool:
        """Whether something of our key was heard since the last time."""
        self._listening.execute("select pg_notify('freshness_events', %s)", [MARK])
        told = False
        for notification in self._listening.notifies(timeout=10):
            if notification.payload == MARK:
                break
            told = told or self._quotes.name in notification.payload
        return told


class Ender(Actor):
    """Ends the refresh in a transaction: the rows, the job, what is on record."""

    def __init__(self, connect: Connect, quotes: DataType, isolation: str) -> None:
        super().__init__(connect(), connect())
        self._quotes = quotes
        self._isolation = isolation
        self.must_try_again = False

    def begin(self) -> None:
        self.connection.execute(f"begin isolation level {self._isolation}")

    def store(self) -> None:
        self._quotes.store(self.connection, "AAPL", 0)

    def move(self) -> None:
        self._unless_it_failed(
            "update freshness.jobs set state = 'scheduled', worker = null, fence = null,"
            " started_at = null, run_at = clock_timestamp() + interval '1 minute',"
            " requested_at = null where data_type = %s and symbol = 'AAPL'",
            [self._quotes.name],
        )

    def note(self) -> None:
        self._unless_it_failed(
            "insert into freshness.events (kind, data_type, symbol, fence)"
            " values ('fresh', %s, 'AAPL', 1)",
            [self._quotes.name],
        )

    def commit(self) -> None:
        self.connection.execute("commit")

    def finish(self, worker: int) -> None:
        """Do what a worker does, in one step."""
        self.connection.execute(
            "select freshness.finish(data_type, symbol, fence, '[{\"price\": 1}]')"
            " from freshness.jobs where data_type = %s and worker = %s",
            [self._quotes.name, worker],
        )

    def try_again(self) -> None:
        """Take all steps anew if somebody changed the job meanwhile, as a worker does."""
        if self.must_try_again:
            self.must_try_again = False
            for step in (self.begin, self.store, self.move, self.note, self.commit):
                step()

    def _unless_it_failed(self, statement: str, parameters: list[Any]) -> None:
        if self.must_try_again:
            return
        try:
            self.connection.execute(statement.encode(), parameters)
        except psycopg.errors.SerializationFailure:
            self.must_try_again = True
