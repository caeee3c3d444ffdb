"""Applies migrations as `supabase db push` does, for machines without Node."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from pyworker.local.errors import LocalError
from pyworker.local.statements import split_statements, without_leading_comments

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = re.compile(r"(?P<version>\d+)_(?P<name>.*)\.sql")
# These would end the transaction of the file, and with it the promise of all or nothing.
TRANSACTION_COMMAND = re.compile(r"(begin|start|commit|end|rollback|abort)\b", re.IGNORECASE)
EXCERPT_LENGTH = 72

# The runner that holds this lock is the only one in the database; others wait for it.
RUNNER_LOCK = "select pg_advisory_lock(hashtextextended('supabase_migrations', 0))"

HISTORY = b"""
    set local lock_timeout = '4s';
    create schema if not exists supabase_migrations;
    create table if not exists supabase_migrations.schema_migrations (
        version text not null primary key,
        statements text[],
        name text
    );
"""


class MigrationError(LocalError):
    """A migration cannot be applied. The message is one line and names the file."""


@dataclass(frozen=True)
class Migration:
    """One file of the folder, in the form in which the history records it."""

    file_name: str
    version: str
    name: str
    statements: list[str]


def read_migrations(folder: Path) -> list[Migration]:
    """The migrations of a folder in their order. Raises MigrationError for a name that is none."""
    if not folder.is_dir():
        raise MigrationError(f"{folder}: there is no such folder of migrations")
    found: dict[str, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: rename it to <timestamp>_<name>.sql")
        version = match["version"]
        if version in found:
            raise MigrationError(f"{path.name}: {found[version].file_name} has the same version")
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise MigrationError(f"{path.name}: it is not UTF-8 text") from error
        found[version] = Migration(path.name, version, match["name"], split_statements(text))
    return list(found.values())


def apply_migrations(connection_string: str, folder: Path) -> list[str]:
    """Applies what the database does not have yet and returns the names of those files.

    Each file is one transaction together with its row of the history, so that a failure leaves
    nothing of it behind. Raises MigrationError, also for a history that does not fit the folder.
    """
    migrations = read_migrations(folder)
    try:
        with psycopg.connect(connection_string, autocommit=True) as connection:
            connection.execute(RUNNER_LOCK)
            pending = _pending(migrations, _history(connection))
            for migration in pending:
                _apply(connection, migration)
    except psycopg.Error as error:
        raise MigrationError(f"migrations: {_one_line(error)}") from error
    return [migration.file_name for migration in pending]


def _history(connection: psycopg.Connection[Any]) -> dict[str, list[str] | None]:
    """Version -> recorded statements; none are known for a version that was only marked."""
    with connection.transaction():
        if connection.execute(
            "select to_regclass('supabase_migrations.schema_migrations') is null"
        ).fetchone() == (True,):
            connection.execute(HISTORY)
    rows = connection.execute(
        "select version, statements from supabase_migrations.schema_migrations"
    )
    return dict(rows.fetchall())


def _pending(migrations: list[Migration], history: dict[str, list[str] | None]) -> list[Migration]:
    unknown = sorted(history.keys() - {migration.version for migration in migrations})
    if unknown:
        raise MigrationError(
            f"{unknown[0]}: applied to this database, but the folder has no such file: restore it, "
            f"or run supabase migration repair --status reverted {unknown[0]}"
        )
    last = max(history, default="")
    pending = []
    for migration in migrations:
        if migration.version not in history:
            if migration.version < last:
                raise MigrationError(
                    f"{migration.file_name}: comes before {last}, which is applied: "
                    "give it a later timestamp"
                )
            pending.append(migration)
        elif history[migration.version] not in (None, migration.statements):
            raise MigrationError(
                f"{migration.file_name}: changed since it was applied: undo the change and add a "
                "migration, or start again with an empty database (the private one: "
                ".venv/bin/python -m pyworker.local down --delete)"
            )
    return pending


def _apply(connection: psycopg.Connection[Any], migration: Migration) -> None:
    connection.execute("reset all")
    with connection.transaction():
        for number, statement in enumerate(migration.statements, start=1):
            code = without_leading_comments(statement)
            where = f"{migration.file_name}: statement {number} ({_excerpt(code)})"
            if TRANSACTION_COMMAND.match(code):
                raise MigrationError(
                    f"{where}: leave out begin and commit, each file is one transaction"
                )
            try:
                connection.execute(statement.encode())
            except psycopg.Error as error:
                raise MigrationError(f"{where}: {_one_line(error)}") from error
        connection.execute(
            "insert into supabase_migrations.schema_migrations (version, name, statements)"
            " values (%s, %s, %s)",
            [migration.version, migration.name, migration.statements],
        )


def _excerpt(code: str) -> str:
    line = code.partition("\n")[0].strip()
    return line if len(line) <= EXCERPT_LENGTH else f"{line[:EXCERPT_LENGTH]}..."


def _one_line(error: psycopg.Error) -> str:
    message = error.diag.message_primary or str(error)
    state = f" ({error.sqlstate})" if error.sqlstate else ""
    return " ".join(message.split()) + state
