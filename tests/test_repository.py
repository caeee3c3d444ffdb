"""Rules that hold for every file of the database package, and for every object that it makes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pyworker.local.bundle import check_bundle
from tests.fixtures.connections import Connection

CHECKOUT = Path(__file__).resolve().parents[1]
SQL = sorted((CHECKOUT / "sql").glob("*.sql"))
LONGEST_FILE = 120
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
STATEMENTS = re.compile(
    r"\b(?:select|insert into|update|delete from|call|perform)\b.*\bfreshness\."
)

# Ours in public are known by name; the functions that look are written by registrations.
OUR_FUNCTIONS = """
    select f.oid, f.oid::regprocedure::text as name, f.prosecdef, f.proconfig, f.prokind, f.prosrc
    from pg_proc as f
    where
        f.pronamespace = 'freshness'::regnamespace and f.proname !~ '^(look|not_before)_'
        or f.pronamespace = 'public'::regnamespace and f.proname in (
            'is_data_stale_v2', 'queue_refresh_if_not_exists_v2', 'check_and_queue_stale_batch_v2',
            'check_and_queue_stale_data_from_presence_v2', 'get_active_subscriptions_from_realtime',
            'check_staleness_on_update', 'on_realtime_subscription_insert', 'get_or_queue',
            'on_card_add'
        )
"""


def _names(connection: Connection, statement: str) -> list[str]:
    return [row[0] for row in connection.execute(statement.encode())]


def test_each_sql_file_has_its_test() -> None:
    tests = {path.stem for path in (CHECKOUT / "supabase" / "tests").glob("*.sql")}
    assert tests == {path.stem for path in SQL}


@pytest.mark.parametrize("path", SQL, ids=lambda path: path.name)
def test_each_sql_file_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_FILE


def test_only_the_queue_has_statements_on_our_schema() -> None:
    """And the demo, which registers data types of its own."""
    package = CHECKOUT / "pyworker"
    found = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        for text in _texts(path)
        if STATEMENTS.search(text)
    }
    assert found == {"queue", "demo"}


def _texts(path: Path) -> list[str]:
    tree = ast.parse(path.read_text("utf-8"))
    documents = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, DOCUMENTED)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value not in documents
    ]


def test_the_migration_is_what_the_sources_make() -> None:
    check_bundle(CHECKOUT)


def test_all_the_functions_in_public_are_there(connection: Connection) -> None:
    assert (
        len(_names(connection, f"select name from ({OUR_FUNCTIONS}) as f where name !~ '^fresh'"))
        == 9
    )


def test_each_function_has_a_comment(connection: Connection) -> None:
    without = "where obj_description(oid, 'pg_proc') is null"
    assert _names(connection, f"select name from ({OUR_FUNCTIONS}) as f {without}") == []


def test_each_table_view_sequence_and_type_has_a_comment(connection: Connection) -> None:
    """Sequences of identity columns belong to their columns."""
    assert (
        _names(
            connection,
            """
            select c.oid::regclass::text
            from pg_class as c
            where
                c.relkind in ('r', 'v', 'S')
                and (
                    c.relnamespace = 'freshness'::regnamespace
                    or c.oid = to_regclass('public.data_type_registry_v2')
                )
                and obj_description(c.oid, 'pg_class') is null
                and not exists (
                    select from pg_depend as d
                    where d.objid = c.oid and d.deptype = 'i' and c.relkind = 'S'
                )
            union all
            select t.oid::regtype::text
            from pg_type as t
            where
                t.typnamespace = 'freshness'::regnamespace and t.typtype in ('e', 'd')
                and obj_description(t.oid, 'pg_type') is null
            """,
        )
        == []
    )


def test_each_function_sets_its_search_path(connection: Connection) -> None:
    """With the rights of its owner or not: names mean what they meant to who wrote it."""
    assert (
        _names(
            connection,
            f"select name from ({OUR_FUNCTIONS}) as f"
            """ where not coalesce(proconfig @> array['search_path=pg_temp'], false)""",
        )
        == []
    )


def test_no_function_with_rights_of_its_own_is_for_browsers(connection: Connection) -> None:
    assert (
        _names(
            connection,
            f"select name || ' ' || r.role from ({OUR_FUNCTIONS}) as f"
            " cross join unnest(array['anon', 'authenticated']) as r (role)"
            " where f.prosecdef and has_function_privilege(r.role, f.oid, 'execute')"
            # They ask whether the caller may select; nobody names the first without usage.
            " and f.name not in ('freshness.queue_for_caller(text,text)',"
            " 'on_card_add(text,text[],jsonb)')",
        )
        == []
    )


def test_no_function_is_for_everybody(connection: Connection) -> None:
    assert (
        _names(
            connection,
            f"select f.name from ({OUR_FUNCTIONS}) as f join pg_proc as p on p.oid = f.oid"
            " where p.proacl is null or exists ("
            "select from aclexplode(p.proacl) as a where a.grantee = 0)",
        )
        == []
    )


def test_functions_that_registrations_write_are_guarded_too(
    connection: Connection, quotes: object
) -> None:
    """They are written later than the grants."""
    assert quotes is not None
    assert (
        _names(
            connection,
            "select f.oid::regprocedure::text from pg_proc as f"
            " where f.pronamespace = 'freshness'::regnamespace"
            " and f.proname ~ '^(look|not_before)_'"
            " and (not coalesce(f.proconfig @> array['search_path=pg_temp'], false)"
            " or f.proacl is null"
            " or exists (select from aclexplode(f.proacl) as a where a.grantee = 0))",
        )
        == []
    )
