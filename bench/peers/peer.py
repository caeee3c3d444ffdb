"""What a measurement asks of a queue, ours or another's.

Its handler is called for each job, does nothing, and notes on descriptor 3 when it was called.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import ClassVar

import psycopg

Requester = Callable[[str], Awaitable[str]]
COMMITTED = """
select extract(epoch from pg_xact_commit_timestamp(g::xid8::xid))::float8
from unnest(%s::text[]) with ordinality as given (g, n)
order by n
"""


class Peer(ABC):
    """A queue: how it is installed, filled, asked and worked."""

    name: ClassVar[str]

    @abstractmethod
    def install(self, url: str) -> None:
        """Put its schema into an empty database."""

    @abstractmethod
    def fill(self, url: str, jobs: int) -> None:
        """Store so many jobs that are due, while no worker is there."""

    @abstractmethod
    def command(self, batch: int) -> Sequence[str]:
        """Return the command of a worker; DATABASE_URL names the database."""

    @abstractmethod
    def requester(self, url: str) -> AbstractAsyncContextManager[Requester]:
        """Connect, and give a function that requests a named job and returns a receipt."""

    @abstractmethod
    def ended(self, url: str, starts: Path) -> tuple[int, float]:
        """Return how many jobs have ended, and when the last one did (seconds of the epoch)."""

    def committed(self, url: str, receipts: Sequence[str]) -> list[float]:
        """Return when the requests were committed; here a receipt is a transaction's id."""
        with psycopg.connect(url) as connection:
            return [row[0] for row in connection.execute(COMMITTED, [list(receipts)]).fetchall()]

    def environment(self, batch: int) -> dict[str, str]:
        """Return what a worker is told by its environment, besides DATABASE_URL."""
        del batch
        return {}
