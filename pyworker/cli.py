"""The command `freshness`. Each command imports what it needs, so that all answer at once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyworker.errors import FreshnessError, InvalidRequest

if TYPE_CHECKING:
    from pyworker.queue.calls import Calls

_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="supabase-freshness")
def freshness() -> None:
    """Keep exactly the rows that somebody is looking at fresh.

    Settings come from the environment and .env: DATABASE_URL and those that begin
    with SUPABASE_ or FRESHNESS_ (see .env.example).
    """


@freshness.command(short_help="Run the worker.")
def run() -> None:
    """Run the worker until SIGTERM or Ctrl-C; what runs is then finished.

    At a second signal what runs is handed back at once.
    """
    from pyworker import event_loop
    from pyworker.logs import configure_logging
    from pyworker.settings import read_settings
    from pyworker.worker_process import work

    settings = read_settings()
    configure_logging(settings.log_format, settings.log_level)
    event_loop.run(work(settings))


@freshness.command(short_help="Serve on-card-add and streams to pages.")
def serve() -> None:
    """Serve on-card-add, streams and the operators' paths until SIGTERM or Ctrl-C.

    Without DATABASE_URL it takes cards over the Data API of the project at SUPABASE_URL,
    with SUPABASE_SECRET_KEY (install supabase-freshness[edge]).
    """
    from pyworker.logs import configure_logging
    from pyworker.settings import read_settings
    from pyworker.web.server import serve as serve_endpoint

    settings = read_settings(needs_database=False)
    configure_logging(settings.log_format, settings.log_level)
    asyncio.run(serve_endpoint(settings))


@freshness.command(short_help="Copy the migration into a Supabase project.")
@click.argument(
    "project", type=click.Path(exists=True, file_okay=False, path_type=Path), default="."
)
@click.option("--edge-function", is_flag=True, help="Copy the Edge Function on-card-add too.")
def init(project: Path, *, edge_function: bool) -> None:
    """Copy the migrations into the Supabase project in the folder PROJECT (default: here)."""
    from pyworker.project import copy_edge_function, copy_migrations

    new = copy_migrations(project)
    functions = copy_edge_function(project) if edge_function else []
    for path in [*new, *functions]:
        click.echo(f"Copied {path}")
    click.echo("Next: supabase db push" if new else "The migrations are there already.")
    if functions:
        click.echo("Then: supabase functions deploy on-card-add --no-verify-jwt")


@freshness.command(short_help="Show how fresh the keys are, and what needs a look.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
def status(*, as_json: bool) -> None:
    """Show how fresh the keys are, how well the promises are kept, and what needs a look."""
    from pyworker.queue.status import StatusQueue
    from pyworker.status import Status, read_status

    async def look() -> Status:
        async with _calls() as calls:
            return await read_status(StatusQueue(calls))

    found = asyncio.run(look())
    # Colours are for a terminal only: echo takes them out elsewhere.
    click.echo(found.line() if as_json else found.text())


@freshness.command(short_help="Show the state of the service, live.")
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
    from pyworker.monitor import Monitor
    from pyworker.queue.status import StatusQueue
    from pyworker.shutdown import Shutdown, end_tasks, first_of

    async def look_on() -> None:
        async with _calls() as calls:
            shutdown = Shutdown()
            shutdown.listen()
            queue = StatusQueue(calls)
            shown = Monitor(as_json=as_json).run(queue, None if once else interval)
            await first_of(asyncio.create_task(shown), shutdown.stop)
        # A look that is under way can swallow that it was cancelled.
        await end_tasks()

    asyncio.run(look_on())


@freshness.command(short_help="Release keys that are set aside or held back.")
@click.argument("data_type")
@click.argument("symbol", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
def retry(data_type: str, symbol: str | None, *, as_json: bool) -> None:
    """Release a key that is set aside or held back: it is fetched now.

    Without SYMBOL, all such keys of DATA_TYPE.
    """
    from pyworker.queue.operations import OperatorQueue

    async def release() -> int:
        async with _calls() as calls:
            queue = OperatorQueue(calls)
            released = await queue.retry(data_type, symbol)
            if symbol is not None and not released:
                raise InvalidRequest(
                    f"{data_type} {symbol} was not released: it"
                    f" {await queue.explain(data_type, symbol)}",
                    "freshness status shows what is set aside",
                )
            return released

    released = asyncio.run(release())
    if as_json:
        found = {"data_type": data_type, "symbol": symbol, "released": released}
        click.echo(json.dumps(found))
    elif symbol is not None:
        click.echo(f"Released {data_type} {symbol}.")
    else:
        click.echo(f"Released {released} {'key' if released == 1 else 'keys'} of {data_type}.")


@asynccontextmanager
async def _calls() -> AsyncIterator[Calls]:
    """Open one connection for somebody who waits: an error is told at once, and once."""
    import logging

    from pyworker.database import connect_once
    from pyworker.queue.calls import open_calls
    from pyworker.settings import read_settings

    url = read_settings().database_url.get_secret_value()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    await connect_once(url)
    async with open_calls(url, 1) as calls:
        yield calls


def main() -> None:
    """Run the command; what a person can put right is said in one line, with exit status 1.

    With --json an error is an object on stdout too. Interrupted, it ends with status 130.
    """
    # https://no-color.org: any value, unless it is empty.
    colour = False if os.environ.get("NO_COLOR") else None
    try:
        sys.exit(freshness.main(standalone_mode=False, color=colour))
    except click.Abort:
        sys.exit(_INTERRUPTED)
    except click.ClickException as error:
        _tell_programs(error.format_message(), None)
        error.show()
        sys.exit(error.exit_code)
    except FreshnessError as error:
        _tell_programs(error.message, error.hint)
        _fail(str(error))
    except OSError as error:
        # Such as a full disk behind stdout, of which Python would speak again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")


def _tell_programs(message: str, hint: str | None) -> None:
    if "--json" in sys.argv:
        click.echo(json.dumps({"error": message, "hint": hint}))


def _fail(message: str) -> None:
    # What a module or a parser said may have several lines.
    click.echo(f"freshness: {' '.join(message.split())}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
