"""`python -m bench [part ...]`: measure, one JSON object a line."""

from __future__ import annotations

import sys

import click

from bench import pickup

PARTS = {"pickup": pickup.measure}


@click.command()
@click.argument("names", metavar="[PART]...", nargs=-1, type=click.Choice(sorted(PARTS)))
def bench(names: tuple[str, ...]) -> None:
    """Measure all parts, or the named ones. Exit status 1 when a target is missed."""
    missed = False
    for name in names or sorted(PARTS):
        click.echo(f"Measuring {name}", err=True)
        for figure in PARTS[name]():
            click.echo(figure.line())
            missed = missed or '"ok": false' in figure.line()
    sys.exit(1 if missed else 0)


bench()
