"""`python -m pyworker.demo`: the demo from the command line."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import click
import psycopg

from pyworker.demo.demonstration import Outcome, demonstrate
from pyworker.demo.errors import DemoError
from pyworker.demo.settings import DemoSettings, read_settings
from pyworker.local.environment import up
from pyworker.local.errors import LocalError
from pyworker.local.migrations import MigrationError
from pyworker.local.settings import project_folder


@click.command()
def main() -> None:
    """Start everything with a live page; the figures are the last line on stdout.

    DEMO_SECONDS runs it without a person for so long. DEMO_PORT is the port of the page.
    """
    project = project_folder()
    try:
        settings = read_settings(project)
        outcome = asyncio.run(_run(settings, up(project, _report)))
    except (DemoError, LocalError, MigrationError, psycopg.Error, OSError) as error:
        _fail(_one_line(error))
    except KeyboardInterrupt:
        sys.exit(130)
    click.echo(json.dumps(outcome.figures))
    _report("Everything has ended but the private database, if there is one: make down stops it")
    if settings.seconds is not None and outcome.shortcoming:
        _fail(outcome.shortcoming)


async def _run(settings: DemoSettings, database_url: str) -> Outcome:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return await demonstrate(settings, database_url, stop, _report)


def _report(line: str) -> None:
    click.echo(line, err=True)


def _fail(reason: str) -> None:
    click.echo(f"Error: {reason}", err=True)
    sys.exit(1)


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]


if __name__ == "__main__":
    main(prog_name="python -m pyworker.demo")
