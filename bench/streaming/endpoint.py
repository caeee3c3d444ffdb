"""The endpoint whose streams are measured, in a process of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECRET = "a secret of the measurement, long enough for HS256"  # noqa: S105
PROGRAM = """
import asyncio
from pyworker.settings import read_settings
from pyworker.web.server import serve
asyncio.run(serve(read_settings()))
"""


@contextmanager
def running_endpoint(database_url: str) -> Iterator[tuple[int, int]]:
    """Run an endpoint, its log going nowhere; yields its port and process id."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "SUPABASE_JWT_SECRET": SECRET,
            "FRESHNESS_PORT": str(port),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def memory_of(process: int) -> float:
    """Return what a process holds in memory, in KB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return float(found[1])
