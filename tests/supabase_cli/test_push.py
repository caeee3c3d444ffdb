"""The database that `db push` builds is the one that our runner and sql/ build."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pyworker.local.cluster import Cluster
from pyworker.local.migrations import MigrationError, apply_migrations, read_migrations

Push = subprocess.CompletedProcess[str]
Supabase = Callable[..., Push]

# Places where a splitter may go wrong; all of it is accepted by the CLI.
TRICKY = r"""-- header; with semicolon
/* block ; /* nested ; */ still ; */
create table public.a (i int); -- trailing; comment
  create   table public.b (t text default E'it\'s; ok');;
insert into public.b values ('x''y;'), ($$a;b$$), ($tag$ $$;$$ ; $inner$ ; $inner$ $tag$);
create function public.f() returns int language sql begin atomic select 1; select 2; end;
create function public.g() returns int language sql
BEGIN ATOMIC -- end; case
    select case when true then case 1 when 1 then 2 end end as "end"; select 3;
END;
do $$ begin perform 1; end $$; create rule r as on insert to public.a do also (select 1; select 2);
select "a;b", 1 as a$b$, 2 as c$b$, U&'\0041;' from (select 1 as "a;b") as x;
select '\'; select ')';
create function public.ü() returns text language sql as $ü$ select ';'; $ü$; select 1 /* x; */;
-- last;
"""


def test_the_first_push_applies_every_migration(pushed: Push, project: Path) -> None:
    assert pushed.returncode == 0, pushed.stderr + pushed.stdout
    files = sorted(path.name for path in (project / "supabase" / "migrations").glob("*.sql"))
    assert [line for line in pushed.stderr.splitlines() if line.startswith("Applying")] == [
        f"Applying migration {name}..." for name in files
    ]


def test_a_second_push_has_nothing_to_do(supabase: Supabase, pushed: Push, project: Path) -> None:
    assert pushed.returncode == 0, pushed.stderr
    second = supabase(project, "db", "push")
    assert second.returncode == 0
    assert json.loads(second.stdout)["message"] == "Local database is up to date."
    assert "Applying" not in second.stderr


def test_push_our_runner_and_sql_build_the_same_database(
    pushed: Push, project: Path, cluster: Cluster, create_database: Callable[[str], str]
) -> None:
    assert pushed.returncode == 0, pushed.stderr
    by_runner, from_sql = create_database("by_runner"), create_database("from_sql")
    apply_migrations(by_runner, project / "supabase" / "migrations")
    with psycopg.connect(from_sql, autocommit=True) as connection:
        for path in sorted((project / "sql").glob("*.sql")):
            connection.execute(path.read_bytes())
    expected = structure(cluster, "postgres")
    assert "CREATE SCHEMA freshness;" in expected
    assert structure(cluster, "by_runner") == expected
    assert structure(cluster, "from_sql") == expected


def test_the_cli_has_nothing_to_do_after_our_runner(
    supabase: Supabase, project: Path, create_database: Callable[[str], str]
) -> None:
    address = create_database("runner_first")
    apply_migrations(address, project / "supabase" / "migrations")
    done = push_to(supabase, project, address)
    assert done.returncode == 0, done.stderr
    assert "Applying" not in done.stderr


def test_our_runner_has_nothing_to_do_after_the_cli(
    pushed: Push, project: Path, cluster: Cluster
) -> None:
    assert pushed.returncode == 0, pushed.stderr
    assert apply_migrations(cluster.connection_string(), project / "supabase" / "migrations") == []


def test_the_history_is_recorded_as_the_cli_records_it(
    supabase: Supabase, create_database: Callable[[str], str], project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "supabase" / "config.toml").write_bytes(
        (project / "supabase" / "config.toml").read_bytes()
    )
    texts = {
        "tricky": TRICKY.encode(),
        "crlf": b"select\r\n 1;\r\n\r\n-- end\r\nselect 2;\r\n",
        "byte_order_mark": b"\xef\xbb\xbfselect 1;\n\n",
        "only_a_comment": b"-- nothing;\n",
        "empty": b"",
        "e-f.g": b"select 1;\n/* c */;\nselect 2",
    }
    for number, (name, text) in enumerate(texts.items()):
        (folder / f"2026010100000{number}_{name}.sql").write_bytes(text)
    by_cli, by_us = create_database("history_by_cli"), create_database("history_by_us")
    done = push_to(supabase, tmp_path, by_cli)
    assert done.returncode == 0, done.stderr + done.stdout
    apply_migrations(by_us, folder)
    assert history(by_us) == history(by_cli)
    assert len(history(by_us)) == len(texts)


@pytest.mark.parametrize("name", ["first.sql", "20260101.sql", "20260101-a.sql"])
def test_a_file_name_that_we_refuse_is_skipped_by_the_cli(
    supabase: Supabase, create_database: Callable[[str], str], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / name).write_text("select 1;")
    done = push_to(supabase, tmp_path, create_database(f"skips_{len(name)}"))
    assert f"Skipping migration {name}" in done.stderr
    with pytest.raises(MigrationError, match=name):
        read_migrations(folder)


def push_to(supabase: Supabase, project: Path, address: str) -> Push:
    return supabase(project, "db", "push", f"--remote={address}?sslmode=disable", "--yes")


def history(address: str) -> list[tuple[object, ...]]:
    with psycopg.connect(address) as connection:
        return connection.execute(
            "select version, name, statements from supabase_migrations.schema_migrations"
            " order by version"
        ).fetchall()


def structure(cluster: Cluster, database: str) -> list[str]:
    """What we make in a database: our schemas with privileges, and our trigger on subscriptions."""
    address = cluster.connection_string("supabase_admin", database)
    done = subprocess.run(
        [
            str(cluster.installation.program("pg_dump")),
            *("--schema-only", "--schema=freshness", "--schema=public", address),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    # A random word stands in these lines since the security releases of 2025.
    lines = [
        line
        for line in done.stdout.splitlines()
        if not line.startswith(("\\restrict", "\\unrestrict"))
    ]
    with psycopg.connect(address) as connection:
        triggers = connection.execute(
            "select pg_get_triggerdef(oid) from pg_trigger"
            " where tgrelid = 'realtime.subscription'::regclass order by tgname"
        ).fetchall()
    return [*lines, *(row[0] for row in triggers)]
