"""Refreshers that are plain functions run in threads of their own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import NoReturn, TypeVar

Result = TypeVar("Result")


class Threads:
    """Runs functions in threads, at most `limit` at once.

    A thread cannot be stopped. When its caller is cancelled it goes on, counts as running until it
    ends, and its result is dropped. It never keeps the process from ending.
    """

    def __init__(self, limit: int) -> None:
        self._free = asyncio.Semaphore(limit)

    async def run(self, function: Callable[[], Result]) -> Result:
        """Wait for a free thread and run the function there; raises what it raises."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Callable[[], Result]] = loop.create_future()
        context = contextvars.copy_context()

        def tell(result: Callable[[], Result]) -> None:
            self._free.release()
            if not ended.done():
                ended.set_result(result)

        def work() -> None:
            result: Callable[[], Result]
            try:
                result = partial(_same, context.run(function))
            except BaseException as error:
                result = partial(_throw, error)
            try:
                loop.call_soon_threadsafe(tell, result)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                return

        threading.Thread(target=work, name="refresher", daemon=True).start()
        return (await ended)()


def _same(value: Result) -> Result:
    return value


def _throw(error: BaseException) -> NoReturn:
    raise error
