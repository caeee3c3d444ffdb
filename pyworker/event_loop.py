"""The event loop of a worker: uvloop's where it is installed, as uvicorn does for the endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from importlib.util import find_spec
from typing import Any

import structlog


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine as `asyncio.run` does, whatever becomes of tasks that others have left.

    What they raise is logged in a line; sys.exit() in one of them does not end the process.
    """
    log = structlog.get_logger("event_loop")

    def tell(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        log.error("unexpected", message=context["message"], error=error and repr(error))

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        loop = runner.get_loop()
        loop.set_exception_handler(tell)
        task = loop.create_task(main)
        while not task.done():
            try:
                loop.run_until_complete(task)
            except SystemExit as error:
                if task.done():
                    raise
                tell(loop, {"message": "a task has called sys.exit()", "exception": error})


def _loop_factory() -> Any:
    if find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - an extra

    return uvloop.new_event_loop
