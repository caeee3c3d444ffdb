"""procrastinate on its pool of psycopg, by its own command line."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
from procrastinate import App, PsycopgConnector

from bench.peers.peer import Peer, Requester

COMMAND = (sys.executable, "-m", "procrastinate", "--app", "bench.peers.procrastinate_worker.app")
BATCH = 1000
COMMITTED = """
select extract(epoch from pg_xact_commit_timestamp(e.xmin))::float8
from unnest(%s::bigint[]) with ordinality as given (id, n)
join procrastinate_events as e on e.job_id = given.id and e.type = 'deferred'
order by n
"""
ENDED = """
select count(*), coalesce(extract(epoch from max(at))::float8, 0)
from procrastinate_events
where type = 'succeeded'
"""


class Procrastinate(Peer):
    """Its workers are woken, too; a job is claimed by itself."""

    name = "procrastinate"

    def install(self, url: str) -> None:
        """By `procrastinate schema --apply`."""
        subprocess.run(
            [*COMMAND, "schema", "--apply"],
            env={**os.environ, "DATABASE_URL": url},
            check=True,
            capture_output=True,
        )

    def fill(self, url: str, jobs: int) -> None:
        """In batches."""
        asyncio.run(_fill(url, jobs))

    def command(self, batch: int) -> Sequence[str]:
        """`procrastinate worker`."""
        return (*COMMAND, "worker", "--concurrency", str(batch))

    @asynccontextmanager
    async def requester(self, url: str) -> AsyncIterator[Requester]:
        """Defer; the receipt is the job's id."""
        app = App(connector=PsycopgConnector(conninfo=url))
        async with app.open_async():
            deferrer = app.configure_task("quote")

            async def request(name: str) -> str:
                return str(await deferrer.defer_async(name=name))

            yield request

    def committed(self, url: str, receipts: Sequence[str]) -> list[float]:
        """As its history was committed."""
        with psycopg.connect(url) as connection:
            return [row[0] for row in connection.execute(COMMITTED, [list(receipts)]).fetchall()]

    def ended(self, url: str, starts: Path) -> tuple[int, float]:
        """By its history."""
        del starts
        with psycopg.connect(url) as connection:
            return connection.execute(ENDED).fetchone() or (0, 0.0)


async def _fill(url: str, jobs: int) -> None:
    app = App(connector=PsycopgConnector(conninfo=url))
    async with app.open_async():
        deferrer = app.configure_task("quote")
        for first in range(0, jobs, BATCH):
            names = range(first, min(first + BATCH, jobs))
            await deferrer.batch_defer_async(*({"name": f"S{n}"} for n in names))
