"""Workers as processes of their own, as `freshness run` starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.worker.modes import in_this_mode, way_to
from tests.worker.waiting import wait_until

COMMAND = [sys.executable, "-m", "pyworker.cli", "run"]


class WorkerProcess:
    """A worker in its own process; what it logs goes to a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return what was logged under this name so far."""
        lines = self._log.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry for entry in entries if entry["event"] == event]

    def wait_for(self, event: str, times: int = 1) -> dict[str, Any]:
        """Wait until something was logged so many times; returns the last."""
        return wait_until(lambda: self._at_least(event, times))[-1]

    def stop(self) -> int:
        """Send SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def log(self) -> str:
        """Return all that was written to stdout and stderr."""
        return self._log.read_text()

    def _at_least(self, event: str, times: int) -> list[dict[str, Any]]:
        found = self.events(event)
        assert len(found) >= times or self.process.poll() is None, self.log()
        return found if len(found) >= times else []


def environment(**settings: Any) -> dict[str, str]:
    """The environment of a worker: these settings, the test's mode, and the path."""
    given = {name: str(value) for name, value in settings.items()}
    if "DATABASE_URL" in given:
        given["DATABASE_URL"] = way_to(given["DATABASE_URL"])
    mode = str(in_this_mode().enabled)
    return {
        "PATH": os.environ["PATH"],
        "FRESHNESS_LOG_FORMAT": "json",
        "FRESHNESS_LOG_LEVEL": "debug",
        "FRESHNESS_LONG_POLL_ENABLED": mode,
        **given,
    }


@contextmanager
def running_worker(
    folder: Path, name: str, begins: str | None = None, /, **settings: Any
) -> Iterator[WorkerProcess]:
    """Run a worker in a folder until the end; it listens, or polls, when this goes on.

    Or it has logged `begins`.
    """
    log = folder / f"{name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            COMMAND,
            cwd=folder,
            env=environment(FRESHNESS_WORKER_NAME=name, **settings),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    worker = WorkerProcess(process, log)
    try:
        worker.wait_for(begins or ("listening" if in_this_mode().enabled else "polling_only"))
        yield worker
    finally:
        process.kill()
        process.wait()


def fetch_over_http(folder: Path, url: str, *data_types: str, timeout: float = 30) -> None:
    """Write a configuration by which these data types are fetched from `url`/symbol."""
    (folder / "freshness.toml").write_text(
        "".join(
            f'[refreshers.{name}]\nurl = "{url}/{{symbol}}"\ntimeout = {timeout}\n'
            f'[refreshers.{name}.columns]\nprice = "price"\n'
            for name in data_types
        )
    )
