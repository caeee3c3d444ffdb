"""Which server process, if any, serves a data folder."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PROCESSES = Path("/proc")
# Children of a killed server normally notice within a few milliseconds.
ORPHANS_GRACE_SECONDS = 3.0
ORPHANS_LIMIT_SECONDS = 10.0


@dataclass(frozen=True)
class Postmaster:
    """A running server: the id of its first process, and its TCP port."""

    process_id: int
    port: int


def find_postmaster(data: Path) -> Postmaster | None:
    """Return the server that serves the folder, or None.

    The file postmaster.pid alone proves nothing: after a crash it is left behind, and its number
    may meanwhile belong to another program.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        postmaster = Postmaster(int(lines[0]), int(lines[3]))
    except (OSError, ValueError, IndexError):
        return None
    return postmaster if _works_in(postmaster.process_id, data) else None


def clear_remains(data: Path) -> None:
    """Make a start possible after a crash: end orphans, remove a stale postmaster.pid.

    Call it only when `find_postmaster` found none.
    """
    started = time.monotonic()
    while orphans := _processes_in(data):
        waited = time.monotonic() - started
        if waited > ORPHANS_LIMIT_SECONDS:
            break
        if waited > ORPHANS_GRACE_SECONDS:
            for process_id in orphans:
                _signal(process_id, signal.SIGQUIT)
        time.sleep(0.02)
    else:
        # PostgreSQL itself believes the file if its number belongs to any process of the account.
        (data / "postmaster.pid").unlink(missing_ok=True)


def _processes_in(data: Path) -> list[int]:
    if not PROCESSES.is_dir():
        return []
    numbers = [int(entry.name) for entry in PROCESSES.iterdir() if entry.name.isdecimal()]
    return [number for number in numbers if _works_in(number, data)]


def _works_in(process_id: int, data: Path) -> bool:
    # Each process of a server has the data folder as its current folder.
    if not PROCESSES.is_dir():
        return _signal(process_id, 0)
    try:
        return (PROCESSES / str(process_id) / "cwd").samefile(data)
    except OSError:
        return False


def _signal(process_id: int, number: int) -> bool:
    try:
        os.kill(process_id, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
