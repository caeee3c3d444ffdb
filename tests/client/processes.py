"""Clients in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fixtures.data_types import DataType
from tests.worker.processes import environment

PROGRAM = """
import asyncio, sys
from pyworker import Client

async def main(url, data_type, tasks):
    async with Client(url) as client:
        states = await asyncio.gather(
            *(client.wait_until_fresh(data_type, "AAPL", timeout=50) for _ in range(int(tasks)))
        )
    print(*(state.status for state in states))

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def waiting_process(url: str, quotes: DataType, tasks: int) -> Iterator[subprocess.Popen[str]]:
    """Wait for AAPL in so many tasks of a process, which then prints the statuses."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, quotes.name, str(tasks)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
