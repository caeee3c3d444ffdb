"""`python -m pyworker.local`: the embedded default from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict

from pyworker.local import environment
from pyworker.local.cluster import PASSWORD
from pyworker.local.errors import LocalError
from pyworker.local.migrations import MigrationError
from pyworker.local.packages import ensure_packages
from pyworker.local.platform import PlatformError
from pyworker.local.pooler import ensure_pooler
from pyworker.local.settings import project_folder, read_settings

quiet_option = click.option("--quiet", is_flag=True, help="Print no progress.")


@click.group()
def main() -> None:
    """Run a private Postgres that looks like local Supabase."""


@main.command()
@quiet_option
def up(*, quiet: bool) -> None:
    """Start the private database (or use DATABASE_URL) and apply the migrations."""
    with _errors_in_one_line():
        url = environment.up(project_folder(), _reporter(quiet=quiet))
    click.echo(f"DATABASE_URL={_without_foreign_password(url)}")


@main.command()
@quiet_option
@click.option("--delete", is_flag=True, help="Delete its data too.")
def down(*, quiet: bool, delete: bool) -> None:
    """Stop the private database."""
    with _errors_in_one_line():
        environment.down(project_folder(), _reporter(quiet=quiet), delete=delete)


@main.command()
@quiet_option
def packages(*, quiet: bool) -> None:
    """Install PostgreSQL, its add-ons and what the tests need, as far as they are missing."""
    with _errors_in_one_line():
        settings = read_settings(project_folder())
        ensure_packages(_reporter(quiet=quiet), postgres_bin=settings.postgres_bin)
        ensure_pooler(_reporter(quiet=quiet))


def _reporter(*, quiet: bool) -> Callable[[str], None]:
    return lambda line: None if quiet else click.echo(line, err=True)


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except (LocalError, MigrationError, PlatformError, psycopg.Error, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        click.echo(f"Error: {lines[0]}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _without_foreign_password(url: str) -> str:
    # The well-known local password is no secret; that of somebody's project must not get into
    # the log of a build.
    parts = conninfo_to_dict(url)
    if parts.get("password") in (None, PASSWORD):
        return url
    user, host, port, name = (parts.get(key, "") for key in ("user", "host", "port", "dbname"))
    return f"postgresql://{user}:***@{host}{f':{port}' if port else ''}/{name}"


if __name__ == "__main__":
    main(prog_name="python -m pyworker.local")
