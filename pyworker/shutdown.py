"""How a process is told to stop: politely, and then at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LAST_CHANCE = 1.0


class Shutdown:
    """The first signal sets `stop`, the second `hand_back`; a third ends the process as it is."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.hand_back = asyncio.Event()

    def listen(self) -> None:
        """Take over SIGTERM and SIGINT of this process."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._told)

    def _told(self) -> None:
        if not self.stop.is_set():
            self.stop.set()
            return
        self.hand_back.set()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)


async def first_of(task: asyncio.Task[Any], event: asyncio.Event) -> None:
    """Return when the task has ended or the event is set; does not cancel the task.

    Raises:
        Exception: whatever ended the task.
    """
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if task.done():
        task.result()


async def end_tasks() -> None:
    """Cancel all other tasks; if some do not end, end the process, as success.

    Nothing of theirs counts any more, and the event loop would wait for them for ever.
    """
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others and (await asyncio.wait(others, timeout=_LAST_CHANCE))[1]:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
