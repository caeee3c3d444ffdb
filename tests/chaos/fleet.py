"""The workers: real processes, and whoever ended is started again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from tests.worker.processes import COMMAND, environment

ROOT = Path(__file__).resolve().parents[2]
SHORTEST_HEARTBEAT_LIMIT = 1


class Fleet:
    """Some workers with names, each in a process of its own; what they log goes to files."""

    def __init__(self, folder: Path, provider: str) -> None:
        self._folder = folder
        self._provider = provider
        self._settings: dict[str, dict[str, Any]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.started: Counter[str] = Counter()

    def add(self, name: str, database_url: str, **settings: Any) -> None:
        """Start a worker, and keep it running from now on."""
        self._settings[name] = {"DATABASE_URL": database_url, **settings}
        self._start(name)

    def remove(self, name: str) -> None:
        """End a worker with SIGKILL, and do not start it again."""
        self.kill(name)
        del self._settings[name], self.processes[name]

    def kill(self, name: str) -> None:
        """End a worker at once, at whatever point it is."""
        self.processes[name].kill()
        self.processes[name].wait()

    def retire(self, name: str) -> None:
        """Let a worker finish and leave, and do not start it again."""
        self.processes[name].terminate()
        self.processes[name].wait(20)
        self.remove(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a worker."""
        self.processes[name].send_signal(number)

    def tend(self) -> None:
        """Start again whoever has ended."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self._start(name)

    def stop(self) -> None:
        """End all."""
        for name in list(self.processes):
            self.remove(name)

    def logged(self, event: str) -> int:
        """How often all workers together have logged this."""
        mark = f'"event": "{event}"'
        return sum(
            log.read_text(errors="replace").count(mark) for log in self._folder.glob("*.log")
        )

    def log(self) -> str:
        """Return the end of what each worker has logged."""
        return "\n".join(
            f"{log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            for log in sorted(self._folder.glob("*.log"))
        )

    def _start(self, name: str) -> None:
        paths = self._settings[name].get("PYTHONPATH")
        settings = {
            "FRESHNESS_REFRESHERS": "tests.chaos.refreshers",
            "FRESHNESS_WORKER_NAME": name,
            "FRESHNESS_HEARTBEAT_LIMIT": SHORTEST_HEARTBEAT_LIMIT,
            "FRESHNESS_FETCH_TIMEOUT": 2,
            "CHAOS_PROVIDER": self._provider,
            **self._settings[name],
            "PYTHONPATH": os.pathsep.join([*([paths] if paths else []), str(ROOT)]),
        }
        self.started[name] += 1
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                COMMAND,
                cwd=self._folder,
                env=environment(**settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
