"""A dump of a project's own schemas, restored into another project: as backups and branches do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pyworker.local.cluster import Cluster
from pyworker.local.platform import install_platform
from tests.fixtures.connections import Connect, Connection
from tests.fixtures.data_types import DataType, create_data_type

# `supabase db dump` leaves out what belongs to the platform, such as a schema that is there.
SCHEMAS = ("freshness", "freshness_tests", "public")
PLATFORM = ("CREATE SCHEMA public;", "ALTER DEFAULT PRIVILEGES ")
CALLS = (
    "on_card_add('AAPL', array[%(name)s::text])",
    "queue_refresh_if_not_exists_v2('AAPL', %(name)s)",
    "check_and_queue_stale_batch_v2('AAPL', array[%(name)s::text])",
    "check_and_queue_stale_data_from_presence_v2()",
    "get_active_subscriptions_from_realtime()",
    "get_or_queue(%(name)s, 'AAPL')",
)

Restore = Callable[..., Connection]


@pytest.fixture
def other_project(cluster: Cluster | None, template_database: str) -> Iterator[str]:
    """URL (role postgres) of a database with the platform, and nothing of ours."""
    assert cluster is not None
    assert template_database
    name = f"test_{uuid4().hex[:12]}"
    admin_url = cluster.connection_string("supabase_admin")
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(SQL("create database {}").format(Identifier(name)))
        install_platform(cluster.connection_string("supabase_admin", name))
        yield cluster.connection_string(database=name)
        admin.execute(SQL("drop database {} with (force)").format(Identifier(name)))


@pytest.fixture
def restore(
    cluster: Cluster, own_database: str, other_project: str, connect: Connect, tmp_path: Path
) -> Restore:
    """`restore(*options)` takes a dump of a project, and returns the other one with it."""

    def copy(*options: str) -> Connection:
        program = cluster.installation.program
        chosen = [f"--schema={name}" for name in SCHEMAS]
        dump = subprocess.run(
            [program("pg_dump"), "--no-owner", *chosen, *options, own_database],
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [line for line in dump.stdout.splitlines() if not line.startswith(PLATFORM)]
        file = tmp_path / "dump.sql"
        file.write_text("\n".join(lines), "utf-8")
        subprocess.run(
            [program("psql"), "-Xq1", "-v", "ON_ERROR_STOP=1", "-f", str(file), other_project],
            capture_output=True,
            check=True,
        )
        return connect(other_project)

    return copy


@pytest.fixture
def quotes(own_database: str, connect: Connect) -> DataType:
    """A data type of the project that is dumped; somebody has asked for MSFT."""
    connection = connect(own_database)
    registered = create_data_type(connection)
    connection.execute("select freshness.request(%s, '{MSFT}')", [registered.name])
    return registered


def card(connection: Connection, data_type: DataType) -> None:
    """A signed-in user's page shows AAPL."""
    with connection.transaction():
        connection.execute('set local request.jwt.claims = \'{"sub": "ann"}\'')
        connection.execute("set local role authenticated")
        connection.execute("select on_card_add('AAPL', array[%s::text])", [data_type.name])


def jobs(connection: Connection) -> list[str]:
    """The symbols that have a job."""
    return [row[0] for row in connection.execute("select symbol from freshness.jobs order by 1")]


def test_a_restored_project_goes_on(quotes: DataType, restore: Restore) -> None:
    """With its data types, its jobs and all that registrations have written."""
    restored = restore()
    assert jobs(restored) == ["MSFT"]
    card(restored, quotes)
    quotes.store(restored, "AAPL", 5)
    assert jobs(restored) == ["AAPL", "MSFT"]
    register(restored, quotes)
    restored.execute("select freshness.sweep()")
    assert jobs(restored) == ["AAPL", "MSFT"]


def test_of_the_schema_alone_a_project_begins_anew(quotes: DataType, restore: Restore) -> None:
    """The rows that migrations write are not in it."""
    restored = restore("--schema-only")
    quotes.store(restored, "AAPL", 5)
    register(restored, quotes)
    card(restored, quotes)
    assert jobs(restored) == ["AAPL"]


def test_a_restored_project_is_as_closed_as_it_was(quotes: DataType, restore: Restore) -> None:
    """Supabase opens each new function in public to browsers, and no dump takes that back."""
    restored = restore()
    refused = {
        call: refusal(restored, f"select * from public.{call}", {"name": quotes.name})
        for call in CALLS
    }
    # The card's own refusal is "sign in first".
    assert refused == dict.fromkeys(CALLS, "42501") | {CALLS[0]: "PGRST"}


def refusal(connection: Connection, statement: str, given: dict[str, str]) -> str | None:
    """The SQLSTATE with which a browser that is not signed in is refused, None if it is not."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("set local role anon")
            connection.execute(statement.encode(), given)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def register(connection: Connection, data_type: DataType) -> None:
    """Register it again, as at each deployment."""
    again = "select freshness.register_data_type(%s, %s, '1 minute')"
    connection.execute(again, [data_type.name, data_type.table])
