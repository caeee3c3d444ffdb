"""A worker that falls asleep step by step, and a producer that writes a job step by step."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from tests.fixtures.connections import Connect, Connection

MARK = "nothing before this is missing"


class Sleeper:
    """The two steps of falling asleep on real connections, one of which listens.

    `asleep_until` is None while it is awake, else the epoch (infinity when it knows of nothing).
    """

    def __init__(self, connect: Connect, data_type: str, *, takes_jobs: bool = False) -> None:
        self.channel = f"freshness_test_{uuid4().hex[:12]}"
        self._data_types = [data_type]
        self._looking = connect()
        self._listening = connect()
        self._listening.execute(f"listen {self.channel}")
        self._listening.execute("listen freshness_work")
        self._listener = self._listening.info.backend_pid
        self.number = _value(
            self._looking, "select freshness.announce_worker('test', '15 s', %s)", [takes_jobs]
        )
        self._since: str | None = None
        self._suspects: list[str] | None = None
        self.is_armed = False
        self.asleep_until: float | None = None
        self.saw_something_due = False

    def claim(self) -> list[str]:
        """Claim what is due; return the symbols."""
        rows = self._looking.execute(
            "select symbol from freshness.claim(%s, %s, 10)", [self.number, self._data_types]
        ).fetchall()
        return [row[0] for row in rows]

    def arm(self) -> None:
        """Say until when we will sleep, and commit."""
        if self.asleep_until is None:
            self._looking.execute(
                "select freshness.arm(%s, %s, %s, %s)",
                [self.channel, self.number, self._data_types, self._listener],
            )
            self.is_armed, self._since, self._suspects = True, None, None

    def begin_to_arm(self) -> None:
        """Arm in a transaction that stays open."""
        self._looking.execute("begin")
        self.arm()

    def commit_arming(self) -> None:
        """Commit it."""
        self._looking.execute("commit")

    def settle(self) -> None:
        """Look once; sleep if we may."""
        if self.asleep_until is not None or not self.is_armed:
            return
        # Read before the look, however long that takes: the sleep ends then, or earlier.
        now = _value(self._looking, "select extract(epoch from clock_timestamp())::float8")
        row = self._looking.execute(
            "select seconds, settled, since::text, suspects"
            " from freshness.settle(%s, %s, %s, %s, %s::xid8, %s)",
            [
                self.channel,
                self.number,
                self._data_types,
                self._listener,
                self._since,
                self._suspects,
            ],
        ).fetchone()
        assert row is not None
        seconds, settled, self._since, self._suspects = row
        if seconds is not None and seconds <= 0:
            self.saw_something_due = True
        elif settled:
            self.asleep_until = float("inf") if seconds is None else now + seconds

    def look(self) -> bool:
        """Look in the middle of our sleep; say whether anything is due."""
        self.wake_up()
        self._since, self._suspects = None, None
        while self.asleep_until is None and not self.saw_something_due:
            self.settle()
        return self.saw_something_due

    def sleeps(self) -> bool:
        """Say whether it sleeps for longer than the half second that it leaves to an inbox."""
        now = _value(self._looking, "select extract(epoch from clock_timestamp())::float8")
        return self.asleep_until is not None and self.asleep_until > now + 0.5

    def fill(self) -> None:
        """Have no free slot from now on."""
        self._looking.execute("select freshness.disarm(%s)", [self.channel])
        self.is_armed, self.asleep_until = False, None

    def stay_awake(self) -> None:
        """Look without falling asleep: nobody has to tell us anything until we arm."""
        self._looking.execute("select freshness.stay_awake(%s)", [self.channel])
        self.is_armed, self.asleep_until = False, None

    def wake_up(self) -> None:
        """Be awake again, as after a signal or at the time."""
        self.asleep_until, self.saw_something_due = None, False

    def heard(self) -> list[str]:
        """Return what was notified to us since the last time."""
        self._listening.execute("select pg_notify(%s, %s)", [self.channel, MARK])
        payloads = []
        for notification in self._listening.notifies(timeout=10):
            if notification.payload == MARK:
                break
            payloads.append(notification.payload)
        return payloads

    def handed(self) -> tuple[list[Any], list[str]]:
        """Return what was handed over to us since the last time, and what we were told else."""
        heard = self.heard()
        jobs = [json.loads(payload) for payload in heard if payload.startswith("{")]
        return jobs, [payload for payload in heard if not payload.startswith("{")]

    def hand_back(self, jobs: list[Any]) -> None:
        """Refuse what was handed over."""
        for job in jobs:
            self._looking.execute(
                "select freshness.hand_back(%s, %s)", [job["worker"], [job["fence"]]]
            )

    def renew(self) -> None:
        """Go on under a new id, with nothing that runs."""
        self.number = _value(
            self._looking, "select freshness.renew_worker(%s, '{}')", [self.number]
        )
        self.is_armed, self.asleep_until = False, None

    def die(self) -> None:
        """Go without a word: both connections end."""
        self._looking.close()
        self._listening.close()

    def leave(self) -> None:
        """Take us off the lists."""
        if not self._looking.closed:
            self._looking.execute("select freshness.dismiss_worker(%s)", [self.number])


class Producer:
    """A transaction that writes a job, and then wakes whoever sleeps past it."""

    def __init__(self, connection: Connection, data_type: str, isolation: str) -> None:
        self._connection = connection
        self._data_type = data_type
        self._isolation = isolation
        self.run_at: Any = None
        self.symbol = ""
        self.is_due = False

    def begin(self) -> None:
        """Open the transaction."""
        self._connection.execute(f"begin isolation level {self._isolation}")

    def read(self) -> None:
        """Read something: from here on, unless it reads what is committed, it sees the past."""
        self._connection.execute("select from freshness.jobs limit 1")

    def write(self, seconds: float = 0) -> None:
        """Write a job that is due in so many seconds."""
        self.symbol, self.is_due = uuid4().hex, seconds <= 0
        self.run_at = _value(
            self._connection,
            "insert into freshness.jobs (data_type, symbol, run_at, requested_at)"
            " values (%s, %s, clock_timestamp() + make_interval(secs => %s), clock_timestamp())"
            " returning run_at",
            [self._data_type, self.symbol, seconds],
        )

    def gate(self) -> None:
        """Wake the sleeper that keeps the time, if it has to know."""
        self._connection.execute("select freshness.wake(%s, %s)", [self._data_type, self.run_at])

    def hand_over(self) -> None:
        """Hand the job to the sleeper that keeps the time, or wake it."""
        self._connection.execute(
            "select freshness.hand_over(%s, %s)", [self._data_type, self.symbol]
        )

    def commit(self) -> None:
        """Commit; the signal goes out now."""
        self._connection.execute("commit")

    def roll_back(self) -> None:
        """Undo all."""
        self._connection.execute("rollback")


class Watcher:
    """A transaction that puts a watch on a key."""

    def __init__(self, connection: Connection, data_type: str, symbol: str) -> None:
        self._connection = connection
        self._data_type = data_type
        self._symbol = symbol

    def begin(self) -> None:
        """Open the transaction."""
        self._connection.execute("begin")

    def watch(self) -> None:
        """Take a lease: the job is left alone, but for a pull and a signal."""
        self._connection.execute(
            "select from freshness.watch(array[%s], array[%s], 'user:1')",
            [self._data_type, self._symbol],
        )

    def commit(self) -> None:
        """Commit; the signal goes out now."""
        self._connection.execute("commit")


def _value(connection: Connection, statement: str, parameters: list[Any] | None = None) -> Any:
    row = connection.execute(statement, parameters).fetchone()
    assert row is not None
    return row[0]
