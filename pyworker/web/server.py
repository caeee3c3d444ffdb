"""Runs the endpoint until it is told to stop."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn
from starlette.applications import Starlette

from pyworker.database import wait_for_database
from pyworker.errors import ConfigurationError
from pyworker.event_listener import EventListener
from pyworker.events import Streams
from pyworker.queue.calls import open_calls
from pyworker.queue.cards import CardQueue
from pyworker.queue.status import StatusQueue
from pyworker.queue.waits import WaitQueue
from pyworker.settings import Settings
from pyworker.web.application import create_application, create_card_application
from pyworker.web.authentication import Authentication
from pyworker.web.data_api_cards import open_data_api_cards
from pyworker.web.database_cards import DatabaseCards
from pyworker.web.key_waits import KeyWaits
from pyworker.web.strict_protocol import protocol_with_limits

# More at a time make each slower: Postgres has the work, and a request is over in a millisecond.
CONNECTIONS = 5
BACKLOG = 2048
GONE_AFTER = 60_000  # milliseconds


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or cancellation; requests under way are answered first.

    Logs `serving` with the URL once connections are accepted. Without a database's URL it takes
    cards over the project's Data API.

    Raises:
        ConfigurationError: a setting for sign-in is missing or unusable, or the address is.
        DatabaseUnavailable: the database cannot be reached at the start, or lacks our schema.
    """
    # A mistake in the settings is told before the database is waited for.
    Authentication(settings)
    has_database = bool(settings.database_url.get_secret_value())
    opened = _with_a_database(settings) if has_database else _over_the_data_api(settings)
    async with opened as (application, stop):
        await _run(application, settings, stop)
    structlog.get_logger().info("stopped")


Opened = tuple[Starlette, Callable[[], None]]


@asynccontextmanager
async def _with_a_database(settings: Settings) -> AsyncIterator[Opened]:
    """Yield the application, and what lets its long requests be answered at once."""
    url = settings.database_url.get_secret_value()
    listener = EventListener(url)
    await wait_for_database(url)
    async with (
        open_calls(url, CONNECTIONS, checks=False) as calls,
        KeyWaits(WaitQueue(calls), listener) as waits,
    ):
        await StatusQueue(calls).ask_for_nothing()
        cards = DatabaseCards(CardQueue(calls), settings.lease, waits)
        application = create_application(calls, cards, settings, listener)
        streams: Streams = application.state.streams

        def answer_at_once() -> None:
            waits.close()
            streams.stop("shutdown")

        try:
            yield application, answer_at_once
        finally:
            await streams.close()


@asynccontextmanager
async def _over_the_data_api(settings: Settings) -> AsyncIterator[Opened]:
    async with open_data_api_cards(settings) as cards:
        yield create_card_application(cards, settings), lambda: None


async def _run(application: Starlette, settings: Settings, stop: Callable[[], None]) -> None:
    server = uvicorn.Server(_configuration(application, settings))

    def stop_serving() -> None:
        server.should_exit = True
        stop()

    with _listen(settings.host, settings.port) as listener, _stopped_by_signals(stop_serving):
        structlog.get_logger().info("serving", url=_url(listener))
        await _serve_until_told(server, listener, stop_serving)


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


def _configuration(application: Starlette, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=protocol_with_limits(settings.receive_timeout, settings.max_body_bytes),
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
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    # uvicorn raises the signal again when it is done, which would end the process before the
    # queue is closed. Our handlers lie below its own and catch that.
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _serve_until_told(
    server: uvicorn.Server, listener: socket.socket, stop: Callable[[], None]
) -> None:
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        stop()
        await serving
        raise
