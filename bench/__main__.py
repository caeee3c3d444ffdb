"""`python -m bench [part ...]`: measure, one JSON object a line.

A part is a module of this package with a function `measure` that yields figures.
"""

from __future__ import annotations

import importlib
import os
import platform
import signal
import sys
from pathlib import Path

import click

FRAME = {
    "__init__",
    "__main__",
    "cluster",
    "figure",
    "key_set_server",
    "pgbench",
    "worker_process",
}
LONG = {"scale"}
PARTS = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in FRAME)


@click.command()
@click.argument("names", metavar="[PART]...", nargs=-1, type=click.Choice(PARTS))
def bench(names: tuple[str, ...]) -> None:
    """Measure the named parts, or all but the long ones. Exit status 1: a target is missed."""
    click.echo(f"{platform.platform()}, {os.cpu_count()} cores", err=True)
    # The clusters that it has started end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    missed = False
    for name in names or [part for part in PARTS if part not in LONG]:
        click.echo(f"Measuring {name}", err=True)
        for figure in importlib.import_module(f"bench.{name}").measure():
            click.echo(figure.line())
            missed = missed or not figure.ok
    sys.exit(1 if missed else 0)


bench()
