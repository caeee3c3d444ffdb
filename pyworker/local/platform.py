"""The stand-in for what a Supabase database provides before the first migration."""

from __future__ import annotations

from importlib.resources import files

import psycopg

from pyworker.local.errors import LocalError

# Roles belong to the whole cluster: installations into two of its databases wait for each other.
INSTALL_LOCK = "lock table pg_catalog.pg_authid in share row exclusive mode"


class PlatformError(LocalError):
    """The stand-in cannot be installed here. The message is one line and says what to do."""


def platform_files() -> list[tuple[str, str]]:
    """The SQL files of the stand-in as (name, text), in the order in which they are loaded."""
    folder = files("pyworker.local").joinpath("platform")
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [(entry.name, entry.read_text("utf-8")) for entry in sorted(found, key=lambda e: e.name)]


def install_platform(connection_string: str) -> None:
    """Creates roles, schemas, extensions, auth, realtime and the publication where missing.

    The connection must be one of a superuser. A second call changes nothing. Raises PlatformError
    when the database is a real Supabase one, which has all this, or the role is not allowed to.
    """
    with psycopg.connect(connection_string) as connection:
        refuse_unsuitable(connection)
        connection.execute(INSTALL_LOCK)
        for name, text in platform_files():
            try:
                connection.execute(text.encode())
            except psycopg.Error as error:
                message = error.diag.message_primary or str(error)
                raise PlatformError(f"platform/{name}: {message}") from error


def refuse_unsuitable(connection: psycopg.Connection) -> None:
    """Raises PlatformError unless the stand-in may be installed through this connection."""
    row = connection.execute(
        "select current_user, (select rolsuper from pg_roles where rolname = current_user),"
        " to_regclass('realtime.schema_migrations') is not null"
        " or to_regclass('auth.users') is not null,"
        " coalesce((select rolsuper from pg_roles where rolname = 'postgres'), false)"
    ).fetchone()
    if row is None:
        raise PlatformError("the database does not answer")
    role, is_superuser, is_supabase, postgres_is_superuser = row
    if is_supabase:
        raise PlatformError("this is a Supabase database already: apply the migrations only")
    if not is_superuser:
        raise PlatformError(f"role {role} is not a superuser: connect as supabase_admin")
    if postgres_is_superuser:
        raise PlatformError(
            "role postgres is a superuser here, which it is not on Supabase: "
            "use a cluster whose bootstrap superuser is supabase_admin"
        )
