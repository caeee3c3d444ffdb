from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from pyworker.local.bundle import MIGRATION, bundle_text, main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with two parts and no migration yet."""
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "10_second.sql").write_text("select 2;\n")
    (tmp_path / "sql" / "01_first.sql").write_text("\nselect 1;\n\n\n")
    return tmp_path


def run(checkout: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["--root", str(checkout), *options])


def migration(checkout: Path) -> Path:
    return checkout / "supabase" / "migrations" / MIGRATION


def freeze(checkout: Path) -> None:
    digest = hashlib.sha256(migration(checkout).read_bytes()).hexdigest()
    (checkout / "supabase" / "migrations.sha256").write_text(f"{digest}  {MIGRATION}\n")


def test_all_parts_stand_in_order_between_marks(checkout: Path) -> None:
    text = bundle_text(checkout / "sql")
    assert text.startswith("-- Generated from sql/")
    assert text.endswith(
        "\n-- >>> sql/01_first.sql\nselect 1;\n-- <<<\n"
        "\n-- >>> sql/10_second.sql\nselect 2;\n-- <<<\n"
    )


def test_a_second_run_writes_nothing(checkout: Path) -> None:
    assert run(checkout).output == f"wrote supabase/migrations/{MIGRATION}\n"
    assert run(checkout).output == ""
    assert run(checkout, "--check").exit_code == 0


@pytest.mark.parametrize("change", ["missing", "stale"])
def test_a_check_tells_in_one_line_that_the_migration_is_out_of_date(
    checkout: Path, change: str
) -> None:
    if change == "stale":
        run(checkout)
        (checkout / "sql" / "10_second.sql").write_text("select 3;")
    result = run(checkout, "--check")
    assert result.exit_code == 1
    assert result.stderr == (
        f"bundle: supabase/migrations/{MIGRATION}: out of date, run make migration\n"
    )


def test_a_check_changes_nothing(checkout: Path) -> None:
    run(checkout, "--check")
    assert not migration(checkout).exists()


def test_a_released_migration_is_neither_written_nor_compared_again(checkout: Path) -> None:
    run(checkout)
    freeze(checkout)
    (checkout / "sql" / "10_second.sql").write_text("select 3;")
    assert run(checkout, "--check").exit_code == 0
    assert "released, add a migration by hand" in run(checkout).stderr
    assert "select 2;" in migration(checkout).read_text()


def test_a_released_migration_that_was_changed_is_named(checkout: Path) -> None:
    run(checkout)
    freeze(checkout)
    migration(checkout).write_text("select 4;")
    result = run(checkout, "--check")
    assert result.exit_code == 1
    assert f"{MIGRATION}: released, but changed" in result.stderr


def test_a_released_migration_that_is_gone_is_named(checkout: Path) -> None:
    run(checkout)
    freeze(checkout)
    migration(checkout).unlink()
    assert f"{MIGRATION}: released, but missing" in run(checkout, "--check").stderr


def test_a_list_of_checksums_that_cannot_be_read_is_named_with_its_line(checkout: Path) -> None:
    run(checkout)
    (checkout / "supabase" / "migrations.sha256").write_text("nonsense\n")
    assert "migrations.sha256: line 1 is no checksum line" in run(checkout, "--check").stderr


def test_a_part_without_a_number_is_refused(checkout: Path) -> None:
    (checkout / "sql" / "notes.sql").write_text("select 1;")
    assert "sql/notes.sql: rename it to <number>_<name>.sql" in run(checkout).stderr


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    assert run(tmp_path).stderr == "bundle: sql/: there is no SQL to bundle\n"
