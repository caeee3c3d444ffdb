"""A worker that begins with what it is handed, and all that can be done to its job meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType
from tests.waking.sleeper import Producer, Sleeper
from tests.worker.waiting import wait_until

PRODUCER = ("begin", "write", "hand_over", "commit")
RUNNING = "select worker, fence from freshness.jobs where data_type = %s and state = 'running'"
# The one that jobs are handed to, while nothing else is due that it would have to hand on.
FIRST = """
    update freshness.sleepers set asleep_until = clock_timestamp() + interval '1 hour'
    where channel = %s
"""
WAKE_ALL = "delete from freshness.sleepers where %s = any (data_types)"
CLEAR = "delete from freshness.jobs where data_type = %s"

Steps = dict[str, Callable[[], None]]


class Hands:
    """A worker that begins with what it is handed, and with what it claims."""

    def __init__(self, connect: Connect, quotes: DataType) -> None:
        self.sleeper = Sleeper(connect, quotes.name, takes_jobs=True)
        self.begun: list[str] = []
        self.is_full = self.is_gone = False

    def sleep(self) -> None:
        """Have slots, begin with nothing yet, and fall asleep."""
        self.begun, self.is_full, self.is_gone = [], False, False
        self.sleeper.wake_up()
        self.sleeper.arm()
        # Another transaction of the server, such as autovacuum's, may need a look more.
        wait_until(self._settles)

    def _settles(self) -> bool:
        self.sleeper.settle()
        return self.sleeper.asleep_until is not None

    def claim(self) -> None:
        """Look at what is due."""
        self.begun += self.sleeper.claim()

    def fill(self) -> None:
        """Have no free slot from now on."""
        self.sleeper.fill()
        self.is_full = True

    def leave(self) -> None:
        """Take its leave; what it hears then it refuses."""
        self.sleeper.leave()
        self.is_gone = True

    def respond(self, connection: Connection, quotes: DataType) -> None:
        """Hear what there is to hear, and act on it as a worker does."""
        jobs, told = self.sleeper.handed()
        ours = [job for job in jobs if job["worker"] == self.sleeper.number]
        if self.is_full or self.is_gone:
            ours = []
        self.begun += [job["symbol"] for job in ours]
        self.sleeper.hand_back([job for job in jobs if job not in ours])
        if self.is_full and told:
            connection.execute("select freshness.hand_on(%s)", [[quotes.name]])
        elif told and not self.is_gone:
            self.claim()


def steps_of(producer: Producer, number: str = "") -> Steps:
    """Name a producer's steps."""
    return {f"{name}{number}": getattr(producer, name) for name in PRODUCER}


def all_respond(connection: Connection, quotes: DataType, *workers: Hands) -> None:
    """Let workers respond until there is nothing more to hear."""
    for _ in range(3):
        for worker in workers:
            worker.respond(connection, quotes)
