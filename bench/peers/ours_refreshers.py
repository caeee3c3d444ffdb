"""The refresher of our worker: it confirms what is stored. It holds keys that begin with HELD."""

from __future__ import annotations

import asyncio
import os
import time

from pyworker import Context, Job, Unchanged, refresher


@refresher("bench_quote")
async def quote(job: Job, context: Context) -> Unchanged:
    del context
    os.write(3, f"{time.time()} {job.symbol}\n".encode())
    if job.symbol.startswith("HELD"):
        await asyncio.sleep(3600)
    return Unchanged()
