"""pgqueuer on asyncpg, with uvloop."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psycopg
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from bench.peers.peer import Peer, Requester

COMMAND = (sys.executable, "-m", "pgqueuer")
BATCH = 1000
ENDED = """
select count(*), coalesce(extract(epoch from max(created))::float8, 0)
from pgqueuer_log
where status = 'successful'
"""


class Pgqueuer(Peer):
    """The other queue for asyncio that wakes its workers and keeps a history."""

    name = "pgqueuer"

    def install(self, url: str) -> None:
        """With the settings of autovacuum that it recommends."""
        for part in ("install", "autovac"):
            subprocess.run(
                [*COMMAND, part],
                env={**os.environ, "PGDSN": url},
                check=True,
                capture_output=True,
            )

    def fill(self, url: str, jobs: int) -> None:
        """In batches."""
        asyncio.run(_fill(url, jobs))

    def command(self, batch: int) -> Sequence[str]:
        """Its manager, a batch at a time."""
        return (sys.executable, "-m", "bench.peers.pgqueuer_worker", str(batch))

    @asynccontextmanager
    async def requester(self, url: str) -> AsyncIterator[Requester]:
        """Enqueue, in a transaction whose id is asked for."""
        connection = await asyncpg.connect(url)
        queries = Queries(AsyncpgDriver(connection))

        async def request(name: str) -> str:
            async with connection.transaction():
                await queries.enqueue("quote", name.encode())
                return str(await connection.fetchval("select pg_current_xact_id()::text"))

        try:
            yield request
        finally:
            await connection.close()

    def ended(self, url: str, starts: Path) -> tuple[int, float]:
        """By its history."""
        del starts
        with psycopg.connect(url) as connection:
            return connection.execute(ENDED).fetchone() or (0, 0.0)


async def _fill(url: str, jobs: int) -> None:
    connection = await asyncpg.connect(url)
    queries = Queries(AsyncpgDriver(connection))
    for first in range(0, jobs, BATCH):
        names = [f"S{n}".encode() for n in range(first, min(first + BATCH, jobs))]
        await queries.enqueue(["quote"] * len(names), names, [0] * len(names))
    await connection.close()
