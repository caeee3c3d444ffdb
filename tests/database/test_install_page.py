"""docs/install.md: registering says no more than it should, uninstalling leaves nothing behind."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from pyworker.local.cluster import Cluster
from pyworker.local.migrations import apply_migrations
from tests.fixtures.servers import MIGRATIONS

INSTALL = Path(__file__).resolve().parents[2] / "docs" / "install.md"

# Everything that has a name, but in the catalogs; and triggers, grants to roles, and publications.
OBJECTS = """
    select 'relation', c.relnamespace::regnamespace::text, c.relname from pg_class as c
    union select 'type', t.typnamespace::regnamespace::text, t.typname from pg_type as t
    union select 'function', p.pronamespace::regnamespace::text, p.oid::regprocedure::text
    from pg_proc as p
    union select 'schema', '', n.nspname from pg_namespace as n
    union select 'extension', '', e.extname from pg_extension as e
    union select 'trigger', t.tgrelid::regclass::text, t.tgname
    from pg_trigger as t where not t.tgisinternal
    union select 'event trigger', '', e.evtname from pg_event_trigger as e
    union select 'published', p.pubname, p.schemaname || '.' || p.tablename
    from pg_publication_tables as p
    union select 'default grant', d.defaclrole::regrole::text, d.defaclacl::text
    from pg_default_acl as d
    except select 'relation', 'pg_toast', c.relname from pg_class as c
"""


def objects(connection: psycopg.Connection) -> set[tuple[str, str, str]]:
    """Return what is in the database, but for internal names that follow from ids."""
    return set(connection.execute(OBJECTS).fetchall())


def sql_blocks() -> list[str]:
    return re.findall(r"^```sql\n(.*?)^```", INSTALL.read_text(), re.MULTILINE | re.DOTALL)


def test_after_uninstalling_the_database_is_as_before_and_can_be_installed_anew(
    own_database: str,
) -> None:
    """With a registered table, whose rows stay and whose writers are not disturbed."""
    register, look, uninstall = sql_blocks()
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.execute(uninstall)
        connection.execute("delete from supabase_migrations.schema_migrations")
        without_us = objects(connection)
        assert not [each for each in without_us if "freshness" in " ".join(each)]

        apply_migrations(own_database, MIGRATIONS)
        connection.execute(register)
        connection.execute(look)
        connection.execute("insert into public.quotes values ('AAPL', 1, now())")
        connection.execute(uninstall)

        connection.execute("update public.quotes set price = 2")
        assert connection.execute("select price from public.quotes").fetchall() == [(2,)]
        connection.execute("drop table public.quotes")
        assert objects(connection) == without_us


def test_uninstalling_takes_the_sweep_off_pg_cron(mortal_cluster: Cluster) -> None:
    """It is a job of the whole server, which would fail every five minutes."""
    jobs = "select count(*) from cron.job where jobname = 'check-stale-data-v2'"
    with psycopg.connect(mortal_cluster.connection_string(), autocommit=True) as connection:
        if connection.execute("select to_regclass('cron.job')").fetchone() == (None,):
            pytest.skip("pg_cron is not installed")
        assert connection.execute(jobs).fetchone() == (1,)
        connection.execute(sql_blocks()[-1])
        assert connection.execute(jobs).fetchone() == (0,)
        assert connection.execute("drop role freshness_worker").statusmessage == "DROP ROLE"


def test_registering_and_unregistering_say_nothing_but_their_result(own_database: str) -> None:
    """Notices about functions that are not there look like mistakes to who registers a table."""
    notices: list[str | None] = []
    with psycopg.connect(own_database, autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute(sql_blocks()[0])
        connection.execute("select freshness.unregister_data_type('quote')")
    assert notices == []
