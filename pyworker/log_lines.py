"""Where log lines go: what is logged in one round of the event loop is written together."""

from __future__ import annotations

import asyncio
import atexit
from threading import Lock
from typing import TextIO


class LogLines:
    """Writes lines to a file. From `warning` on a line is written before its call returns.

    Others wait for the end of the event loop's round, where there is one: a write for each line
    costs a busy worker more than to make the line.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = Lock()
        self._waiting: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        atexit.register(self._write)

    def info(self, line: str) -> None:
        """Write a line, with others of the same round."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.warning(line)
            return
        with self._lock:
            self._waiting.append(line)
            is_first, self._loop = self._loop is not loop, loop
        if is_first:
            loop.call_soon(self._write)

    def warning(self, line: str) -> None:
        """Write a line now, after those that wait."""
        with self._lock:
            self._waiting.append(line)
        self._write()

    debug = info
    error = critical = fatal = exception = warn = msg = log = warning

    def _write(self) -> None:
        with self._lock:
            self._loop = None
            if self._waiting:
                text = "\n".join((*self._waiting, ""))
                self._waiting.clear()
                self._file.write(text)
                self._file.flush()
