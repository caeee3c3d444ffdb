"""The process of `freshness run`: its refreshers, its connections, and the worker."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

import structlog

from pyworker.configuration import read_configuration
from pyworker.database import wait_for_database
from pyworker.errors import ConfigurationError, DatabaseUnavailable
from pyworker.listener import Listener
from pyworker.queue.calls import open_calls
from pyworker.queue.lines import LineQueue
from pyworker.queue.looks import LookQueue
from pyworker.queue.refreshes import RefreshQueue
from pyworker.queue.status import StatusQueue
from pyworker.refreshers import Refresher, by_data_type, load_refreshers
from pyworker.runner import Runner, open_context
from pyworker.settings import Settings
from pyworker.shutdown import Shutdown, end_tasks
from pyworker.telling import telling
from pyworker.web.beside_worker import beside_worker
from pyworker.worker import Worker

_LOOKING = 10.0
"""Seconds after which a look counts as lost, and the connection with it."""

_ENDING = 4
"""Connections for failures and for ends that were refused; the other ends go with the looks."""

# A look that fails is tried again at once: no need to ask its connection before each.
_TRUSTED_FOR = 5.0


async def work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: there is no refresher, or one that cannot be used.
        DatabaseUnavailable: the database cannot be reached at the start, or lacks our schema.
    """
    refreshers = _refreshers(settings)
    long_poll = settings.long_poll
    url = settings.database_url.get_secret_value()
    await wait_for_database(url)
    async with (
        open_calls(url, 1, _LOOKING, trusted_for=_TRUSTED_FOR) as looks,
        # Besides the ends of refreshes: the heartbeat and the sweep. Lines of refreshers can wait.
        open_calls(url, min(settings.concurrency, _ENDING) + 2) as calls,
        open_context(settings.concurrency) as context,
        telling(context.lines, LineQueue(calls)),
    ):
        # Not before: while the database is waited for, a signal ends the process at once.
        shutdown = Shutdown()
        shutdown.listen()
        await _say_what_nobody_registered(StatusQueue(calls), refreshers)
        listener = Listener(
            url, enabled=long_poll.enabled, round_trip_interval=long_poll.max_wait_time / 4
        )
        worker = Worker(
            calls,
            Runner(RefreshQueue(calls), refreshers, context, settings.fetch_timeout),
            listener,
            name=settings.worker_name or f"{socket.gethostname()}:{os.getpid()}",
            concurrency=settings.concurrency,
            heartbeat_limit=settings.heartbeat_limit,
            shutdown_timeout=settings.shutdown_timeout,
            long_poll=long_poll,
            looks=LookQueue(looks),
        )
        async with beside_worker(settings, [calls, looks], listener.report):
            await worker.run(shutdown.stop, shutdown.hand_back)
    await end_tasks()


def _refreshers(settings: Settings) -> dict[str, Refresher]:
    found = by_data_type(
        [*load_refreshers(settings.refreshers), *read_configuration(settings.configuration)]
    )
    if not found:
        raise ConfigurationError(
            "there is no refresher",
            f"name a module in FRESHNESS_REFRESHERS, or write {settings.configuration}",
        )
    return found


async def _say_what_nobody_registered(queue: StatusQueue, refreshers: dict[str, Refresher]) -> None:
    # A name that is misspelt on either side would go unnoticed: its keys just stay due.
    with suppress(DatabaseUnavailable):  # The worker finds out by itself.
        registered = await queue.data_types()
        for name in sorted(refreshers.keys() - set(registered)):
            structlog.get_logger().warning(
                "data_type_not_registered", data_type=name, registered=registered
            )
