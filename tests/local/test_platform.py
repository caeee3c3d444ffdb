from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

from pyworker.local.platform import PlatformError, install_platform, refuse_unsuitable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyworker.local.cluster import Cluster


def dump(cluster: Cluster, database: str) -> str:
    """The structure of a whole database with owners and privileges."""
    done = subprocess.run(
        [
            str(cluster.installation.program("pg_dump")),
            "--schema-only",
            cluster.connection_string("supabase_admin", database),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


def dump_roles(cluster: Cluster) -> list[tuple[object, ...]]:
    with psycopg.connect(cluster.connection_string("supabase_admin")) as connection:
        return connection.execute(
            "select r.xmin::text, r.rolname, r.rolpassword, s.setconfig from pg_authid as r"
            " left join pg_db_role_setting as s on s.setrole = r.oid order by r.rolname"
        ).fetchall()


def test_a_second_installation_changes_nothing(cluster: Cluster, platform_database: str) -> None:
    """Structure, privileges and roles are the same afterwards, down to the rows of the roles."""
    before = dump(cluster, platform_database), dump_roles(cluster)
    install_platform(cluster.connection_string("supabase_admin", platform_database))
    assert (dump(cluster, platform_database), dump_roles(cluster)) == before


def test_a_second_installation_does_not_wait_for_subscribers(
    cluster: Cluster, platform_database: str, admin: psycopg.Connection
) -> None:
    """It would fail by its lock_timeout if it touched the table that we hold locked."""
    address = cluster.connection_string("supabase_admin", platform_database)
    with admin.transaction():
        admin.execute("lock table realtime.subscription in access exclusive mode")
        install_platform(f"{address}?options=-c%20lock_timeout%3D1s")


def test_two_installations_at_once_into_two_databases_both_succeed(
    cluster: Cluster, create_database: Callable[[], str]
) -> None:
    addresses = [
        cluster.connection_string("supabase_admin", create_database()) for _ in range(2)
    ] * 2
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(install_platform, addresses)) == [None] * 4


@pytest.mark.parametrize(
    ("role", "attributes"),
    [
        ("postgres", (False, True, True, True, True, True)),
        ("anon", (False, False, False, False, False, False)),
        ("authenticated", (False, False, False, False, False, False)),
        ("service_role", (False, False, False, False, False, True)),
        ("authenticator", (False, False, False, True, False, False)),
        ("dashboard_user", (False, True, True, False, True, False)),
        ("supabase_realtime_admin", (False, False, False, False, False, False)),
    ],
)
def test_roles_have_the_attributes_of_the_platform(
    admin: psycopg.Connection, role: str, attributes: tuple[bool, ...]
) -> None:
    """Superuser, create databases, create roles, log in, replicate, bypass row level security."""
    found = admin.execute(
        "select rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolreplication, rolbypassrls"
        " from pg_roles where rolname = %s",
        [role],
    ).fetchone()
    assert found == attributes


def test_postgres_creates_schemas_tables_and_publishes_them(postgres: psycopg.Connection) -> None:
    postgres.execute("create schema ours")
    postgres.execute("create table public.quotes (symbol text)")
    postgres.execute("alter publication supabase_realtime add table public.quotes")
    assert postgres.execute(
        "select tablename from pg_publication_tables where pubname = 'supabase_realtime'"
    ).fetchall() == [("quotes",)]


def test_new_tables_in_public_are_open_to_the_api_roles(postgres: psycopg.Connection) -> None:
    postgres.execute("create table public.quotes (symbol text)")
    for role in ("anon", "authenticated", "service_role"):
        assert postgres.execute(
            "select has_table_privilege(%s, 'public.quotes', 'select, insert, update, delete')",
            [role],
        ).fetchone() == (True,)


def test_unqualified_names_are_looked_up_in_extensions_too(postgres: psycopg.Connection) -> None:
    assert postgres.execute("show search_path").fetchone() == ('"$user", public, extensions',)


def test_available_extensions_are_in_their_own_schema(postgres: psycopg.Connection) -> None:
    found = postgres.execute(
        "select a.name, n.nspname from pg_available_extensions as a"
        " left join pg_extension as e on e.extname = a.name"
        " left join pg_namespace as n on n.oid = e.extnamespace"
        " where a.name in ('pgcrypto', 'pgtap', 'plpgsql_check', 'uuid-ossp')"
    ).fetchall()
    assert {schema for _, schema in found} <= {"extensions"}


@pytest.mark.parametrize(
    "settings",
    [
        {"request.jwt.claims": '{"sub": "%s", "role": "authenticated"}'},
        {"request.jwt.claim.sub": "%s", "request.jwt.claim.role": "authenticated"},
    ],
    ids=["claims", "legacy"],
)
def test_auth_functions_tell_who_is_asking(
    postgres: psycopg.Connection, settings: dict[str, str]
) -> None:
    user = "6e5a3c1e-0f5b-4f1c-9f62-0d7a5f1f2b11"
    with postgres.transaction():
        for name, value in settings.items():
            postgres.execute("select set_config(%s, %s, true)", [name, value.replace("%s", user)])
        postgres.execute("set local role authenticated")
        found = postgres.execute("select auth.uid()::text, auth.role()").fetchone()
    assert found == (user, "authenticated")
    # After the transaction the settings are empty strings, not unset.
    assert postgres.execute("select auth.uid(), auth.role(), auth.jwt()").fetchone() == (None,) * 3


def test_the_subscription_table_has_the_current_columns(postgres: psycopg.Connection) -> None:
    found = postgres.execute(
        "select attname || ' ' || format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = 'realtime.subscription'::regclass and attnum > 0 order by attnum"
    ).fetchall()
    assert [row[0] for row in found] == [
        "id bigint",
        "subscription_id uuid",
        "entity regclass",
        "filters realtime.user_defined_filter[]",
        "claims jsonb",
        "claims_role regrole",
        "created_at timestamp without time zone",
        "action_filter text",
        "selected_columns text[]",
    ]


def test_postgres_may_add_a_trigger_to_subscriptions(postgres: psycopg.Connection) -> None:
    postgres.execute("create schema ours")
    postgres.execute(
        "create function ours.look() returns trigger language plpgsql as 'begin return null; end'"
    )
    for _ in range(2):
        postgres.execute(
            "create or replace trigger ours after insert on realtime.subscription"
            " for each row execute function ours.look()"
        )
    postgres.execute("drop function ours.look() cascade")


@pytest.mark.parametrize(
    "statement",
    [
        "drop trigger tr_check_filters on realtime.subscription",
        "alter table realtime.subscription disable trigger all",
        "comment on trigger tr_check_filters on realtime.subscription is 'ours'",
        "create index on realtime.subscription (created_at)",
        "create table realtime.ours (id integer)",
        "create role ours superuser",
        "create function realtime.ours() returns integer language sql as 'select 1'",
    ],
)
def test_what_the_platform_locks_is_locked_here(
    postgres: psycopg.Connection, statement: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        postgres.execute(statement)


def test_postgres_schedules_by_function_and_never_writes_jobs(cluster: Cluster) -> None:
    install_platform(cluster.connection_string("supabase_admin"))
    with psycopg.connect(cluster.connection_string(), autocommit=True) as connection:
        if connection.execute("select to_regclass('cron.job')").fetchone() == (None,):
            pytest.skip("pg_cron is not installed on this machine")
        connection.execute("select cron.schedule('ours', '*/5 * * * *', 'select 1')")
        connection.execute("select cron.unschedule('ours')")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("delete from cron.job")
        assert connection.execute(
            "select has_table_privilege('cron.job_run_details', 'delete'),"
            " has_table_privilege('cron.job_run_details', 'trigger')"
        ).fetchone() == (True, False)


def test_an_ordinary_role_cannot_install(cluster: Cluster, platform_database: str) -> None:
    with pytest.raises(PlatformError, match="postgres is not a superuser: connect as"):
        install_platform(cluster.connection_string("postgres", platform_database))


def test_a_real_supabase_database_is_left_alone(
    cluster: Cluster, create_database: Callable[[], str]
) -> None:
    address = cluster.connection_string("supabase_admin", create_database())
    with psycopg.connect(address) as connection:
        connection.execute("create schema auth; create table auth.users (id uuid)")
    with pytest.raises(PlatformError, match="Supabase database already"):
        install_platform(address)


def test_a_cluster_where_postgres_is_a_superuser_is_refused(admin: psycopg.Connection) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute("alter role postgres superuser")
        with pytest.raises(PlatformError, match="role postgres is a superuser here"):
            refuse_unsuitable(admin)
