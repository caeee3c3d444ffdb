"""Who takes part: each on a connection of its own, and free to keep a transaction open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.fixtures.connections import Connection
from tests.model.observer import Key

# Somebody else holds what the step needs: it is put off, and rolled back.
PUT_OFF = (
    psycopg.errors.QueryCanceled,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)


@dataclass
class Actor:
    """Steps count for the model when they are committed."""

    connection: Connection
    is_open: bool = False
    effects: list[Callable[[], None]] = field(default_factory=list)

    def run(self, statement: str, *parameters: Any) -> list[Any] | None:
        """Execute one statement; None when it would have to wait for somebody."""
        try:
            with self.connection.transaction():
                cursor = self.connection.execute(statement.encode(), parameters)
                return cursor.fetchall() if cursor.description else []
        except PUT_OFF:
            return None

    def then(self, effect: Callable[[], None]) -> None:
        """Let the model know of a step, at once or when it is committed."""
        if self.is_open:
            self.effects.append(effect)
        else:
            effect()

    def begin(self) -> None:
        """Keep a transaction open from now on."""
        if self.is_open:
            return
        self.connection.execute("begin")
        self.is_open = True

    def end(self, *, commits: bool) -> None:
        """End the open transaction, if there is one."""
        if not self.is_open:
            return
        self.connection.execute("commit" if commits else "rollback")
        self.is_open = False
        effects, self.effects = self.effects, []
        for effect in effects if commits else ():
            effect()


@dataclass(frozen=True)
class Fetch:
    """A claimed job; `step` is when it was claimed, `came_at` when the provider saw the call."""

    key: Key
    fence: int
    step: int
    came_at: float | None


@dataclass
class ModelWorker(Actor):
    """A worker with the fetches that it runs."""

    number: int = 0
    fetches: list[Fetch] = field(default_factory=list)

    def announce(self) -> None:
        """Become known under a new number."""
        row = self.connection.execute("select freshness.announce_worker('model')").fetchone()
        assert row is not None
        self.number = row[0]
