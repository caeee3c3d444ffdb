"""The command `freshness`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from pathlib import Path

import click

from pyworker import event_loop
from pyworker.configuration import read_configuration
from pyworker.errors import ConfigurationError, FreshnessError, InvalidRequest
from pyworker.listener import Listener
from pyworker.logs import configure_logging
from pyworker.monitor import Monitor
from pyworker.project import copy_edge_function, copy_migrations
from pyworker.queue.calls import open_calls
from pyworker.queue.lines import LineQueue
from pyworker.queue.looks import LookQueue
from pyworker.queue.operations import OperatorQueue
from pyworker.queue.refreshes import RefreshQueue
from pyworker.queue.status import StatusQueue
from pyworker.refreshers import by_data_type, load_refreshers
from pyworker.runner import Runner, open_context
from pyworker.settings import Settings, read_settings
from pyworker.shutdown import Shutdown, end_tasks, first_of
from pyworker.status import Status, read_status
from pyworker.telling import telling
from pyworker.web.beside_worker import beside_worker
from pyworker.web.server import serve as serve_endpoint
from pyworker.worker import Worker

_LOOKING = 10.0
"""Seconds after which a look counts as lost, and the connection with it."""

_ENDING = 4
"""Connections for failures and for ends that were refused; the other ends go with the looks."""

# A look that fails is tried again at once: no need to ask its connection before each.
_TRUSTED_FOR = 5.0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="supabase-freshness")
def freshness() -> None:
    """Keep exactly the rows that somebody is looking at fresh.

    Settings come from the environment and .env: DATABASE_URL and those that begin
    with SUPABASE_ or FRESHNESS_ (see .env.example).
    """


@freshness.command()
def run() -> None:
    """Run the worker until SIGTERM or Ctrl-C; what runs is then finished.

    At a second signal what runs is handed back at once.
    """
    settings = read_settings()
    configure_logging(settings.log_format, settings.log_level)
    event_loop.run(_work(settings))


@freshness.command()
def serve() -> None:
    """Serve the on-card-add endpoint until SIGTERM or Ctrl-C.

    Without DATABASE_URL it takes cards over the Data API of the project at SUPABASE_URL,
    with SUPABASE_SECRET_KEY (install supabase-freshness[edge]).
    """
    settings = read_settings(needs_database=False)
    configure_logging(settings.log_format, settings.log_level)
    asyncio.run(serve_endpoint(settings))


@freshness.command()
@click.argument(
    "project", type=click.Path(exists=True, file_okay=False, path_type=Path), default="."
)
@click.option("--edge-function", is_flag=True, help="Copy the Edge Function on-card-add too.")
def init(project: Path, *, edge_function: bool) -> None:
    """Copy the migrations into the Supabase project in the folder PROJECT (default: here)."""
    new = copy_migrations(project)
    functions = copy_edge_function(project) if edge_function else []
    for path in [*new, *functions]:
        click.echo(f"Copied {path}")
    click.echo("Next: supabase db push" if new else "The migrations are there already.")
    if functions:
        click.echo("Then: supabase functions deploy on-card-add --no-verify-jwt")


@freshness.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
def status(*, as_json: bool) -> None:
    """Show how fresh the keys are, how well the promises are kept, and what needs a look."""
    found = asyncio.run(_status(read_settings()))
    # Colours are for a terminal only: echo takes them out elsewhere.
    click.echo(found.line() if as_json else found.text())


@freshness.command()
@click.option("--once", is_flag=True, help="Show it once, and end.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line, each time.")
def monitor(*, once: bool, interval: float, as_json: bool) -> None:
    """Show the state of the service, again and again until Ctrl-C."""
    settings = read_settings()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    asyncio.run(_monitor(settings, Monitor(as_json=as_json), None if once else interval))


@freshness.command()
@click.argument("data_type")
@click.argument("symbol", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
def retry(data_type: str, symbol: str | None, *, as_json: bool) -> None:
    """Release a key that is set aside or held back: it is fetched now.

    Without SYMBOL, all such keys of DATA_TYPE.
    """
    released = asyncio.run(_retry(read_settings(), data_type, symbol))
    if as_json:
        found = {"data_type": data_type, "symbol": symbol, "released": released}
        click.echo(json.dumps(found))
    elif symbol is not None:
        click.echo(f"Released {data_type} {symbol}.")
    else:
        click.echo(f"Released {released} {'key' if released == 1 else 'keys'} of {data_type}.")


async def _retry(settings: Settings, data_type: str, symbol: str | None) -> int:
    async with open_calls(settings.database_url.get_secret_value(), 1) as calls:
        queue = OperatorQueue(calls)
        released = await queue.retry(data_type, symbol)
        if symbol is not None and not released:
            raise InvalidRequest(
                f"{data_type} {symbol} was not released: it"
                f" {await queue.explain(data_type, symbol)}",
                "freshness status shows what is set aside",
            )
        return released


async def _monitor(settings: Settings, shown: Monitor, interval: float | None) -> None:
    shutdown = Shutdown()
    shutdown.listen()
    async with open_calls(settings.database_url.get_secret_value(), 1) as calls:
        looking = asyncio.create_task(shown.run(StatusQueue(calls), interval))
        await first_of(looking, shutdown.stop)
    # A look that is under way can swallow that it was cancelled.
    await end_tasks()


async def _status(settings: Settings) -> Status:
    async with open_calls(settings.database_url.get_secret_value(), 1) as calls:
        return await read_status(StatusQueue(calls))


async def _work(settings: Settings) -> None:
    refreshers = by_data_type(
        [*load_refreshers(settings.refreshers), *read_configuration(settings.configuration)]
    )
    if not refreshers:
        raise ConfigurationError(
            "there is no refresher",
            f"name a module in FRESHNESS_REFRESHERS, or write {settings.configuration}",
        )
    shutdown = Shutdown()
    shutdown.listen()
    long_poll = settings.long_poll
    url = settings.database_url.get_secret_value()
    async with (
        open_calls(url, 1, _LOOKING, trusted_for=_TRUSTED_FOR) as looks,
        # Besides the ends of refreshes: the heartbeat and the sweep. Lines of refreshers can wait.
        open_calls(url, min(settings.concurrency, _ENDING) + 2) as calls,
        open_context(settings.concurrency) as context,
        telling(context.lines, LineQueue(calls)),
    ):
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


def main() -> None:
    """Run the command; what a person can put right is said in one line, with exit status 1."""
    try:
        freshness()
    except FreshnessError as error:
        # What a module or a parser said may have several lines.
        click.echo(f"freshness: {' '.join(str(error).split())}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
