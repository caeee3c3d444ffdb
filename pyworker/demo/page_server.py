"""Serves the page from the demo's own process, on the first free port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette

from pyworker.demo.errors import DemoError
from pyworker.demo.feed import Feed

HOST = "127.0.0.1"
PORTS_TO_TRY = 100


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals end the whole demo, in order; the server is one part of it.
        yield


@asynccontextmanager
async def serving(application: Starlette, feed: Feed, port: int) -> AsyncIterator[str]:
    """Serve on this machine and yield the page's address.

    Raises:
        DemoError: no port from `port` on is free.
    """
    listener = _listen(port)
    config = uvicorn.Config(
        application,
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}"
    finally:
        await feed.close()
        server.should_exit = True
        await task
        listener.close()


def _listen(port: int) -> socket.socket:
    for candidate in range(port, min(port + PORTS_TO_TRY, 65536)):
        try:
            return socket.create_server((HOST, candidate))
        except OSError:
            continue
    raise DemoError(f"no port from {port} on is free: set DEMO_PORT")
