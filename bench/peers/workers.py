"""Workers as processes of their own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.peers.peer import Peer

ROOT = Path(__file__).resolve().parents[2]
LONGEST_START = 60.0
LONGEST_STOP = 10.0
OTHERS = """
select count(*) from pg_stat_activity
where datname = current_database() and backend_type = 'client backend'
    and pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process, and the file of its handler's calls: a line each, the moment and the name."""

    process: subprocess.Popen[bytes]
    calls: Path

    def started(self) -> dict[str, float]:
        """Return when the jobs were started, by name."""
        lines = [line.split() for line in self.calls.read_text().splitlines()]
        return {name: float(at) for at, name in lines}


@contextmanager
def workers(peer: Peer, url: str, count: int = 1, batch: int = 10) -> Iterator[list[Worker]]:
    """Run workers until the end of the block; they are connected when it begins."""
    with tempfile.TemporaryDirectory() as name:
        started = [
            _start(peer, url, batch, Path(name) / f"calls{number}") for number in range(count)
        ]
        try:
            _wait_until_connected(url, started)
            yield started
        finally:
            for worker in started:
                worker.process.terminate()
            for worker in started:
                try:
                    worker.process.wait(LONGEST_STOP)
                except subprocess.TimeoutExpired:
                    worker.process.kill()
                    worker.process.wait()


def _start(peer: Peer, url: str, batch: int, calls: Path) -> Worker:
    calls.touch()
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'exec 3>>"$0" "$@"', str(calls), *peer.command(batch)],
        env={
            **os.environ,
            "DATABASE_URL": url,
            "PYTHONPATH": str(ROOT),
            **peer.environment(batch),
        },
        cwd=calls.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return Worker(process, calls)


def _wait_until_connected(url: str, started: list[Worker]) -> None:
    deadline = time.monotonic() + LONGEST_START
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            if any(worker.process.poll() is not None for worker in started):
                raise RuntimeError(f"a worker has ended: {started[0].process.args!r}")
            [connected] = connection.execute(OTHERS).fetchone() or (0,)
            if connected >= len(started):
                return
            time.sleep(0.02)
    raise RuntimeError(f"the workers did not connect within {LONGEST_START:.0f} s")
