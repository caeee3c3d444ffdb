"""A real `freshness run` whose refresher does nothing but note when it was called.

It holds the symbols that begin with HELD for an hour.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

CONCURRENCY = 50
COMMAND = (sys.executable, "-m", "pyworker.cli", "run")
REFRESHER = """
import asyncio, os, time
from pyworker import refresher

@refresher("bench_quote")
async def quote(job, context):
    os.write(3, f"{time.time()} {job.symbol}\\n".encode())
    if job.symbol.startswith("HELD"):
        await asyncio.sleep(3600)
    return [{"price": 1}]
"""

SCHEMA = """
create table public.bench_quotes (symbol text primary key, price numeric, fetched_at timestamptz);
select freshness.register_data_type('bench_quote', 'public.bench_quotes', ttl => '1 hour');
"""


@contextmanager
def worker_process(url: str) -> Iterator[Path]:
    """Register bench_quote (ttl 1 hour) and run its worker, which listens from then on.

    Yields the file of its fetches: a line for each, with the moment (seconds) and the symbol.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_refreshers.py").write_text(REFRESHER)
        fetches = folder / "fetches"
        fetches.touch()
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec 3>>"$0" "$@"', str(fetches), *COMMAND],
            env={
                **os.environ,
                "DATABASE_URL": url,
                "FRESHNESS_REFRESHERS": "bench_refreshers",
                "FRESHNESS_CONCURRENCY": str(CONCURRENCY),
                "FRESHNESS_FETCH_TIMEOUT": "3600",
                "FRESHNESS_SHUTDOWN_TIMEOUT": "1",
                "PYTHONPATH": os.pathsep.join((name, str(Path(__file__).resolve().parents[1]))),
            },
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_it_listens(url)
            yield fetches
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_it_listens(url: str) -> None:
    deadline = time.monotonic() + 30
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            listening = connection.execute(
                "select from pg_stat_activity where application_name = 'freshness listener'"
            ).fetchone()
            if listening is not None:
                return
            time.sleep(0.05)
    raise RuntimeError("the worker did not start within 30 s")
