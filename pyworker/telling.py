"""Tells what refreshers say: to the worker's log, and to whoever streams their keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from pyworker.errors import FreshnessError
from pyworker.lines import Lines, Said
from pyworker.queue.lines import LineQueue

PAUSE = 0.25
"""Seconds from telling lines to telling the next: all of that time are told together."""

_LAST_WORDS = 1.0


@asynccontextmanager
async def telling(lines: Lines, queue: LineQueue) -> AsyncIterator[None]:
    """Tell lines as long as this goes on, and what is left at its end.

    Nothing waits for that, and nothing fails with it: lines that nobody can be told are lost.
    """
    teller = _Teller(lines, queue)
    task = asyncio.create_task(teller.run(), name="telling lines")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await teller.tell()


class _Teller:
    def __init__(self, lines: Lines, queue: LineQueue) -> None:
        self._lines = lines
        self._queue = queue
        self._work = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._log = structlog.get_logger("refresher")
        lines.call(self._call)
        # Something may have been said already.
        self._work.set()

    async def run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await self.tell()
            await asyncio.sleep(PAUSE)

    def _call(self) -> None:
        # From a thread, too; one may speak when the loop is closed.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._work.set)

    async def tell(self) -> None:
        said, left_out = self._lines.take()
        self._write(said, left_out)
        for_keys = [each for each in said if each.symbols]
        if for_keys:
            try:
                await self._queue.tell_lines(for_keys)
            except FreshnessError as error:
                self._log.warning("lines_not_told", reason=str(error))

    def _write(self, said: Sequence[Said], left_out: int) -> None:
        for each in said:
            whose = {"data_type": each.data_type, "symbol": ", ".join(each.symbols)}
            if each.left_out:
                self._log.warning("lines_left_out", **whose, lines=each.left_out)
            for line in each.lines:
                self._log.info("refresher_says", **whose, line=line)
        if left_out:
            self._log.warning("lines_left_out", lines=left_out)
