"""`freshness init`: our migrations and Edge Function in somebody's Supabase project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyworker.cli import freshness
from pyworker.errors import ConfigurationError
from pyworker.project import copy_edge_function, copy_migrations, migrations_folder


def test_the_migrations_are_copied_once(tmp_path: Path) -> None:
    """A second run copies nothing."""
    (tmp_path / "supabase").mkdir()

    first = copy_migrations(tmp_path)

    assert [path.name for path in first] == [p.name for p in sorted(migrations_folder().glob("*"))]
    assert first[0].read_text() == (migrations_folder() / first[0].name).read_text()
    assert copy_migrations(tmp_path) == []


def test_a_folder_without_supabase_is_refused(tmp_path: Path) -> None:
    """The error says where to run the command."""
    with pytest.raises(ConfigurationError, match="in the folder of a Supabase project"):
        copy_migrations(tmp_path)


def test_another_file_of_that_name_is_never_overwritten(tmp_path: Path) -> None:
    """What somebody changed may be what they pushed."""
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    name = next(migrations_folder().glob("*.sql")).name
    changed = tmp_path / "supabase" / "migrations" / name
    changed.write_text("select 1;")

    with pytest.raises(ConfigurationError, match="with other content"):
        copy_migrations(tmp_path)

    assert changed.read_text() == "select 1;"


def test_the_command_says_what_comes_next(tmp_path: Path) -> None:
    """One line for each file, and the next step."""
    (tmp_path / "supabase").mkdir()

    answer = CliRunner().invoke(freshness, ["init", str(tmp_path)])

    assert answer.exit_code == 0
    assert answer.output.splitlines()[-1] == "Next: supabase db push"


def test_the_edge_function_is_copied_when_asked_for(tmp_path: Path) -> None:
    """With all that it imports, to where the CLI looks for it."""
    (tmp_path / "supabase").mkdir()
    assert not (tmp_path / "supabase" / "functions").exists()

    answer = CliRunner().invoke(freshness, ["init", str(tmp_path), "--edge-function"])

    assert answer.exit_code == 0
    function = tmp_path / "supabase" / "functions" / "on-card-add"
    assert "supabase functions deploy on-card-add" in answer.output.splitlines()[-1]
    names = {path.name for path in function.iterdir()}
    imported = set(re.findall(r'from "\./(.+?)"', (function / "index.ts").read_text()))
    assert names >= {"index.ts", "deno.json", *imported}
    assert copy_edge_function(tmp_path) == []


def test_an_edge_function_of_that_name_is_never_overwritten(tmp_path: Path) -> None:
    function = tmp_path / "supabase" / "functions" / "on-card-add"
    function.mkdir(parents=True)
    (function / "index.ts").write_text("mine")
    with pytest.raises(ConfigurationError, match="with other content"):
        copy_edge_function(tmp_path)
    assert (function / "index.ts").read_text() == "mine"
