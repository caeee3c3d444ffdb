"""The processes that the demo starts, and ends."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pyworker.demo.errors import DemoError

SECONDS_TO_START = 30.0
SECONDS_TO_END = 8.0
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class Child:
    """A running process and the file that its output goes to."""

    title: str
    process: asyncio.subprocess.Process
    log: Path

    async def ended(self) -> str:
        """Wait until the process has ended; returns what to tell about it."""
        status = await self.process.wait()
        return f"{self.title} ended with status {status}: {self.last_words()}"

    def last_words(self) -> str:
        """Return the last line of its output."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def has_logged(self, event: str) -> bool:
        """Say whether a line of its output is a JSON object with this event."""
        for line in self.log.read_text("utf-8", "replace").splitlines():
            with suppress(ValueError, AttributeError):
                if json.loads(line).get("event") == event:
                    return True
        return False


@asynccontextmanager
async def running(
    title: str, module: Sequence[str], environment: Mapping[str, str], folder: Path
) -> AsyncIterator[Child]:
    """Run `python -m module` in a folder, its output in a file there; end it when left.

    Args:
        title: its name for people; the file is `<title>.log`.
        module: the module's name and its arguments.
        environment: all of its environment.
        folder: where it runs; without an `.env` that would change its settings.
    """
    log = folder / f"{title.rsplit(maxsplit=1)[-1]}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *module,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C at a terminal is ours to handle: the children end in order, after the viewers.
            process_group=0,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    try:
        yield Child(title, process, log)
    finally:
        await _end(process)


async def wait_until_logged(child: Child, event: str) -> None:
    """Wait until a child has logged an event.

    Raises:
        DemoError: it ended, or took too long.
    """
    try:
        async with asyncio.timeout(SECONDS_TO_START):
            while not child.has_logged(event):
                if child.process.returncode is not None:
                    raise DemoError(await child.ended())
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise DemoError(f"{child.title} did not start: {child.last_words()}") from None


def own_environment(**values: str) -> dict[str, str]:
    """Return our environment without the settings of other workers, and with these values."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FRESHNESS_", "DEMO_", "SUPABASE_", "DATABASE_URL"))
    }
    return {**inherited, **values}


async def _end(process: asyncio.subprocess.Process) -> None:
    for ask in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            ask()
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_TO_END):
                await process.wait()


def _end_with_parent() -> None:
    # Killed outright, the demo can end nobody: then the kernel does it.
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
