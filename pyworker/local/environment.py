"""Bring up a database that has everything this project needs, or take it down."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pyworker.local.cluster import Cluster, port_in_use
from pyworker.local.errors import LocalError
from pyworker.local.installation import find_installation
from pyworker.local.location import cluster_folder
from pyworker.local.migrations import apply_migrations
from pyworker.local.packages import ensure_packages
from pyworker.local.platform import install_platform
from pyworker.local.settings import LocalSettings, read_settings

Report = Callable[[str], None]


def up(project: Path, report: Report) -> str:
    """Start the private cluster, or use DATABASE_URL, and apply the migrations.

    Doing it again changes nothing.

    Args:
        project: the folder with `supabase/migrations`, `.env` and `.local`.
        report: receives each line of progress.

    Returns:
        The connection string of the database, for the role that owns our objects.

    Raises:
        LocalError: no server, no permission, a port in use, an unusable DATABASE_URL.
        MigrationError: a migration cannot be applied.
        psycopg.Error: the database cannot be reached or refuses something.
    """
    settings = read_settings(project)
    with _one_at_a_time(project):
        if settings.database_url and not _is_our_own(project, settings):
            url = _checked(settings.database_url)
            report("Using the database in DATABASE_URL")
        else:
            url = _private_database(project, settings, report)
        migrations = project / "supabase" / "migrations"
        for name in apply_migrations(url, migrations) if migrations.is_dir() else []:
            report(f"Applied the migration {name}")
    return url


def down(project: Path, report: Report, *, delete: bool = False) -> None:
    """Stop the private cluster, if it runs.

    Args:
        project: the folder with `.env` and `.local`.
        report: receives each line of progress.
        delete: also delete its data.

    Raises:
        LocalError: it does not stop, or is another account's.
    """
    settings = read_settings(project)
    folder = cluster_folder(project)
    if not folder.exists():
        report("There is no private database")
        return
    installation = (
        find_installation(postgres_bin=settings.postgres_bin, version=_version(folder))
        or find_installation()
    )
    if installation is None:
        raise LocalError("PostgreSQL is no longer installed: set POSTGRES_BIN to its programs")
    with _one_at_a_time(project):
        cluster = Cluster(folder, settings.port, installation)
        stopped = cluster.stop()
        report("Stopped PostgreSQL" if stopped else "PostgreSQL was not running")
        if delete:
            cluster.delete()
            report(f"Deleted {folder}")


def _private_database(project: Path, settings: LocalSettings, report: Report) -> str:
    version = _version(cluster_folder(project))
    installation = ensure_packages(report, postgres_bin=settings.postgres_bin, version=version)
    # Only now: the account of the server came with the packages.
    folder = cluster_folder(project)
    cluster = Cluster(folder, settings.port, installation)
    if cluster.create():
        if not folder.is_relative_to(project):
            report(f"The server cannot enter {project}: the data lie elsewhere")
        report(f"Created a cluster of PostgreSQL {installation.version} in {folder}")
    if cluster.start():
        report(f"Started PostgreSQL {installation.version} on port {cluster.port}")
    install_platform(cluster.connection_string(user="supabase_admin"))
    return cluster.connection_string()


def _is_our_own(project: Path, settings: LocalSettings) -> bool:
    """Say whether DATABASE_URL is what an earlier `up` printed, put into `.env`.

    Local Supabase has the same address; it is told apart by its holding the port.
    """
    folder = cluster_folder(project)
    installation = find_installation(postgres_bin=settings.postgres_bin)
    if installation is None or not folder.exists():
        return False
    cluster = Cluster(folder, settings.port, installation)
    same = settings.database_url == cluster.connection_string()
    return same and cluster.created() and (cluster.running() or not port_in_use(cluster.port))


def _version(folder: Path) -> int | None:
    try:
        return int((folder / "data" / "PG_VERSION").read_text())
    except (OSError, ValueError):
        return None


def _checked(url: str) -> str:
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The message of the library repeats the string, and with it the password.
        raise LocalError(
            "DATABASE_URL is not a connection string: expected postgresql://user:password@host/name"
        ) from None
    return url


@contextmanager
def _one_at_a_time(project: Path) -> Iterator[None]:
    folder = project / ".local"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
