"""Runs the endpoint until it is told to stop."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn
from starlette.applications import Starlette

from pyworker.errors import ConfigurationError
from pyworker.events import Streams
from pyworker.queue import open_queue
from pyworker.settings import Settings
from pyworker.web.application import create_application
from pyworker.web.authentication import Authentication
from pyworker.web.strict_protocol import protocol_with_limit

CONNECTIONS = 8
BACKLOG = 2048
GONE_AFTER = 60_000  # milliseconds


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or cancellation; requests under way are answered first.

    Logs `serving` with the URL once connections are accepted.

    Raises:
        ConfigurationError: a setting for sign-in is missing or unusable, or the address is.
        DatabaseUnavailable: the database cannot be reached at the start.
    """
    log = structlog.get_logger()
    # A mistake in the settings is told before the database is waited for.
    Authentication(settings)
    async with open_queue(settings.database_url.get_secret_value(), CONNECTIONS) as queue:
        application = create_application(queue, settings)
        streams: Streams = application.state.streams
        server = _WithStreams(streams, _configuration(application, settings))
        try:
            with _listen(settings.host, settings.port) as listener, _stopped_by_signals(server):
                log.info("serving", url=_url(listener))
                await _serve_until_told(server, listener)
        finally:
            await streams.close()
    log.info("stopped")


@asynccontextmanager
async def serving(application: Starlette, settings: Settings, port: int) -> AsyncIterator[str]:
    """Serve beside something else, for the length of an `async with`; yields the URL.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    server = _Beside(_configuration(application, settings))
    with _listen(settings.host, port, "FRESHNESS_WORKER_PORT") as listener:
        task = asyncio.create_task(server.serve([listener]), name="serving")
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            await task


class _Beside(uvicorn.Server):
    """Leaves signals to the process that it is a part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _WithStreams(uvicorn.Server):
    """Ends streams first when it stops: it waits for all answers, and they go on."""

    def __init__(self, streams: Streams, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.stop("shutdown")
        await super().shutdown(sockets)


def _configuration(application: Starlette, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=protocol_with_limit(settings.receive_timeout),
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout),
    )


def _listen(host: str, port: int, port_setting: str = "FRESHNESS_PORT") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small packets at once (TCP_NODELAY) on connections
    # that come in here; otherwise each answer would wait 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Connections inherit it: of a client that has vanished no answer comes in a minute.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_AFTER)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else "not the name of a host"
        raise ConfigurationError(
            f"cannot listen on {host}, port {port}: {reason}",
            f"set FRESHNESS_HOST and {port_setting} to an address that is free on this machine",
        ) from None
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    # uvicorn raises the signal again when it is done, which would end the process before the
    # queue is closed. Our handlers lie below its own and catch that.
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _serve_until_told(server: uvicorn.Server, listener: socket.socket) -> None:
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
