"""A worker of pgqueuer: `python -m bench.peers.pgqueuer_worker batch`.

It holds jobs whose names begin with HELD.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job


async def quote(job: Job) -> None:
    name = (job.payload or b"").decode()
    os.write(3, f"{time.time()} {name}\n".encode())
    if name.startswith("HELD"):
        await asyncio.sleep(3600)


async def work(batch: int) -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    queuer = PgQueuer(AsyncpgDriver(connection))
    queuer.entrypoint("quote")(quote)
    await queuer.run(batch_size=batch)


if __name__ == "__main__":
    uvloop.run(work(int(sys.argv[1])))
