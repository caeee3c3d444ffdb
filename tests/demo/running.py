"""The demo as its own process, as `make demo` starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pyworker.local.cluster import free_port


def environment(database_url: str, **values: str) -> dict[str, str]:
    """The environment of a demo on a database, its page on a free port."""
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "DEMO_PORT": str(free_port()),
        **values,
    }


def run_demo(database_url: str, **values: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [sys.executable, "-m", "pyworker.demo"],
        env=environment(database_url, **values),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@contextmanager
def running_demo(database_url: str, **values: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start it, and yield it with the page's address; end it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pyworker.demo"],
        env=environment(database_url, **values),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("The page: "):
                break
        else:
            raise AssertionError("".join(lines))
        yield process, line.removeprefix("The page: ").strip()
    finally:
        process.terminate()
        process.communicate(timeout=30)
