from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from pyworker.local.migrations import MigrationError, apply_migrations

if TYPE_CHECKING:
    from pathlib import Path

    from pyworker.local.cluster import Cluster

FIRST = "20260101000000_first.sql"
SECOND = "20260102000000_second.sql"


@pytest.fixture
def address(cluster: Cluster, platform_database: str) -> str:
    return cluster.connection_string("postgres", platform_database)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations that apply."""
    (tmp_path / FIRST).write_text("-- a; table\ncreate table a (i int);\ninsert into a values (1);")
    (tmp_path / SECOND).write_text("create table b (t text default ';');")
    return tmp_path


def history(connection: psycopg.Connection) -> list[tuple[str, str, list[str]]]:
    return connection.execute(
        "select version, name, statements from supabase_migrations.schema_migrations"
        " order by version"
    ).fetchall()


def test_migrations_are_applied_in_order_and_recorded(
    address: str, folder: Path, postgres: psycopg.Connection
) -> None:
    assert apply_migrations(address, folder) == [FIRST, SECOND]
    assert history(postgres) == [
        (
            "20260101000000",
            "first",
            ["-- a; table\ncreate table a (i int)", "insert into a values (1)"],
        ),
        ("20260102000000", "second", ["create table b (t text default ';')"]),
    ]


def test_a_second_run_applies_nothing(
    address: str, folder: Path, postgres: psycopg.Connection
) -> None:
    apply_migrations(address, folder)
    assert apply_migrations(address, folder) == []
    assert postgres.execute("select count(*) from a").fetchone() == (1,)


def test_only_what_is_new_is_applied(address: str, folder: Path) -> None:
    apply_migrations(address, folder)
    (folder / "20260103000000_third.sql").write_text("create table c (i int)")
    assert apply_migrations(address, folder) == ["20260103000000_third.sql"]


def test_a_failing_file_leaves_nothing_behind_and_is_named(
    address: str, folder: Path, postgres: psycopg.Connection
) -> None:
    (folder / SECOND).write_text(
        "create table b (i int);\nselect 1;\n-- why\nselect 2,\n missing();"
    )
    with pytest.raises(MigrationError) as caught:
        apply_migrations(address, folder)
    message = str(caught.value)
    assert message.startswith(
        f"{SECOND}: statement 3 (select 2,): function missing() does not exist"
    )
    assert "\n" not in message
    assert [version for version, _, _ in history(postgres)] == ["20260101000000"]
    assert postgres.execute("select to_regclass('b')").fetchone() == (None,)


def test_a_changed_file_is_refused_before_anything_is_applied(
    address: str, folder: Path, postgres: psycopg.Connection
) -> None:
    apply_migrations(address, folder)
    (folder / FIRST).write_text("create table a (i bigint);")
    (folder / "20260103000000_third.sql").write_text("create table c (i int)")
    with pytest.raises(MigrationError, match=f"^{FIRST}: changed since it was applied"):
        apply_migrations(address, folder)
    assert len(history(postgres)) == 2


def test_an_applied_file_that_is_gone_is_named_with_the_way_out(address: str, folder: Path) -> None:
    apply_migrations(address, folder)
    (folder / FIRST).unlink()
    with pytest.raises(MigrationError, match="repair --status reverted 20260101000000"):
        apply_migrations(address, folder)


def test_a_version_that_was_only_marked_as_applied_is_accepted(
    address: str, folder: Path, postgres: psycopg.Connection
) -> None:
    apply_migrations(address, folder)
    postgres.execute("update supabase_migrations.schema_migrations set statements = null")
    assert apply_migrations(address, folder) == []


def test_a_late_file_with_an_early_timestamp_is_refused(address: str, folder: Path) -> None:
    apply_migrations(address, folder)
    (folder / "20260101120000_late.sql").write_text("select 1")
    with pytest.raises(MigrationError, match=r"20260101120000_late\.sql: comes before 20260102"):
        apply_migrations(address, folder)


@pytest.mark.parametrize("name", ["first.sql", "20260103.sql", "20260103-third.sql"])
def test_a_file_name_that_the_cli_would_skip_is_refused(
    address: str, folder: Path, name: str
) -> None:
    (folder / name).write_text("select 1")
    with pytest.raises(MigrationError, match=f"{name}: rename it to <timestamp>_<name>.sql"):
        apply_migrations(address, folder)


def test_two_files_of_one_version_are_refused(address: str, folder: Path) -> None:
    (folder / "20260101000000_again.sql").write_text("select 1")
    with pytest.raises(MigrationError, match=r"20260101000000_again\.sql has the same version"):
        apply_migrations(address, folder)


@pytest.mark.parametrize("command", ["begin", "-- why\nCOMMIT", "start transaction", "rollback"])
def test_a_file_must_not_end_its_own_transaction(
    address: str, folder: Path, postgres: psycopg.Connection, command: str
) -> None:
    (folder / SECOND).write_text(f"create table b (i int);\n{command};\n")
    with pytest.raises(
        MigrationError, match=f"{SECOND}: statement 2 .*: leave out begin and commit"
    ):
        apply_migrations(address, folder)
    assert postgres.execute("select to_regclass('b')").fetchone() == (None,)


def test_a_setting_of_one_file_does_not_reach_the_next(
    address: str, folder: Path, postgres: psycopg.Connection
) -> None:
    (folder / FIRST).write_text("set search_path = pg_catalog; create table public.a (i int);")
    apply_migrations(address, folder)
    assert postgres.execute("select to_regclass('public.b')::text").fetchone() == ("b",)


def test_many_runners_at_once_apply_each_file_once(
    address: str, folder: Path, postgres: psycopg.Connection
) -> None:
    with ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(lambda _: apply_migrations(address, folder), range(8)))
    assert sorted(applied, reverse=True) == [[FIRST, SECOND], *[[]] * 7]
    assert postgres.execute("select count(*) from a").fetchone() == (1,)


def test_a_missing_folder_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="absent: there is no such folder of migrations"):
        apply_migrations(address, tmp_path / "absent")


def test_a_server_that_does_not_answer_is_one_line(folder: Path) -> None:
    with pytest.raises(MigrationError) as caught:
        apply_migrations("postgresql://postgres:secret@127.0.0.1:1/postgres", folder)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
