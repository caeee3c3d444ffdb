"""Generates the migration from the readable SQL: `python -m pyworker.local.bundle [--check]`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import click

from pyworker.local.errors import LocalError

REPOSITORY = Path(__file__).resolve().parents[2]
MIGRATION = "20261121000000_install.sql"
HEADER = """\
-- Generated from sql/ by `make migration`. Change the files there, not this one.
-- Each part stands between a line that names its file and a line that ends it.
"""
SOURCE_NAME = re.compile(r"\d+_[a-z0-9_]+\.sql")


class BundleError(LocalError):
    """The migration does not fit the sources. The message is one line and says what to do."""


def bundle_text(sources: Path) -> str:
    """The text of the migration: all of sql/ in order of the file names."""
    paths = sorted(sources.glob("*.sql"))
    if not paths:
        raise BundleError(f"{sources.name}/: there is no SQL to bundle")
    parts = [HEADER]
    for path in paths:
        if not SOURCE_NAME.fullmatch(path.name):
            raise BundleError(f"{sources.name}/{path.name}: rename it to <number>_<name>.sql")
        text = path.read_text("utf-8").strip()
        parts.append(f"-- >>> {sources.name}/{path.name}\n{text}\n-- <<<\n")
    return "\n".join(parts)


def frozen_checksums(root: Path) -> dict[str, str]:
    """File name -> SHA-256 of the migrations that were released; none before the first release."""
    listing = root / "supabase" / "migrations.sha256"
    if not listing.exists():
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(listing.read_text("utf-8").splitlines(), start=1):
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](\S+\.sql)", line.strip())
        if match is None:
            raise BundleError(f"supabase/migrations.sha256: line {number} is no checksum line")
        found[match[2]] = match[1]
    return found


def check_frozen(root: Path) -> None:
    """Raises BundleError naming the released migration that was changed or taken away."""
    for name, expected in frozen_checksums(root).items():
        path = root / "supabase" / "migrations" / name
        if not path.exists():
            raise BundleError(f"supabase/migrations/{name}: released, but missing: restore it")
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise BundleError(
                f"supabase/migrations/{name}: released, but changed: restore it, add a migration"
            )


def write_bundle(root: Path) -> bool:
    """Brings the migration up to date; returns whether it had to be written."""
    check_frozen(root)
    if MIGRATION in frozen_checksums(root):
        raise BundleError(f"supabase/migrations/{MIGRATION}: released, add a migration by hand")
    text = bundle_text(root / "sql")
    path = root / "supabase" / "migrations" / MIGRATION
    if path.exists() and path.read_text("utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return True


def check_bundle(root: Path) -> None:
    """Raises BundleError when the migration is not what the sources make, or a frozen one is not.

    Once released, the migration stands for itself: a test proves that sql/ builds the same.
    """
    check_frozen(root)
    if MIGRATION in frozen_checksums(root):
        return
    path = root / "supabase" / "migrations" / MIGRATION
    if not path.exists() or path.read_text("utf-8") != bundle_text(root / "sql"):
        raise BundleError(f"supabase/migrations/{MIGRATION}: out of date, run make migration")


@click.command()
@click.option("--check", is_flag=True, help="Change nothing, fail if it is out of date.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=REPOSITORY,
    help="The checkout; this one by default.",
)
def main(check: bool, root: Path) -> None:
    """Write supabase/migrations/ from sql/."""
    try:
        if check:
            check_bundle(root)
        elif write_bundle(root):
            click.echo(f"wrote supabase/migrations/{MIGRATION}")
    except (BundleError, OSError, UnicodeDecodeError) as error:
        click.echo(f"bundle: {error}", err=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
