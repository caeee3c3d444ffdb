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
    step: float
    came_at: float | None


@dataclass(frozen=True)
class Handed:
    """To which worker a job was handed over, at which step, and how much time had passed (s)."""

    worker: int
    step: float
    passed: float


@dataclass
class ModelWorker(Actor):
    """A worker with the fetches that it runs, and the jobs that it has heard of."""

    listening: Connection = field(kw_only=True)
    number: int = 0
    channel: str = ""
    is_full: bool = False
    fetches: list[Fetch] = field(default_factory=list)
    inbox: list[dict[str, Any]] = field(default_factory=list)

    def announce(self) -> None:
        """Become known under a new number; what is notified to the old channel is lost."""
        row = self.connection.execute(
            "select freshness.announce_worker('model', '15 s', true)"
        ).fetchone()
        assert row is not None
        self.number, self.is_full, self.inbox = row[0], False, []
        self.channel = f"model_{self.number}"
        self.listening.execute("unlisten *")
        self.listening.execute(f"listen {self.channel}".encode())

    def arm(self, data_types: list[str]) -> list[Any] | None:
        """Be among the sleepers; None: put off."""
        return self.run(
            "select freshness.arm(%s, %s, %s, %s)",
            *(self.channel, self.number, data_types, self.listening.info.backend_pid),
        )
