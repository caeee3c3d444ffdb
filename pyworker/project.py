"""Puts our migrations, and the Edge Function, into a Supabase project."""

from __future__ import annotations

import shutil
from pathlib import Path

from pyworker.errors import ConfigurationError

EDGE_FUNCTION = "on-card-add"


def copy_migrations(project: Path) -> list[Path]:
    """Copy the migrations to `supabase/migrations` of a project; returns the files that are new.

    A file that is there already with the same content is left alone.

    Raises:
        ConfigurationError: the project has no folder `supabase`, or another file of that name.
    """
    return _copy(
        project,
        migrations_folder(),
        "*.sql",
        Path("migrations"),
        "if it was not pushed yet, delete it and run this again; else docs/install.md, Upgrading",
    )


def copy_edge_function(project: Path) -> list[Path]:
    """Copy the Edge Function to `supabase/functions/on-card-add`; see `copy_migrations`."""
    return _copy(
        project,
        _folder("functions") / EDGE_FUNCTION,
        "*.*",
        Path("functions") / EDGE_FUNCTION,
        "delete it to get ours and run this again",
    )


def migrations_folder() -> Path:
    """Return the folder with our migrations: in the installed package, or in the checkout."""
    return _folder("migrations")


def _folder(name: str) -> Path:
    package = Path(__file__).resolve().parent
    installed = package / "database" / name
    return installed if installed.is_dir() else package.parent / "supabase" / name


def _copy(project: Path, folder: Path, pattern: str, to: Path, hint: str) -> list[Path]:
    if not (project / "supabase").is_dir():
        raise ConfigurationError(
            f"{project / 'supabase'} is not there",
            "run this in the folder of a Supabase project, or supabase init first",
        )
    target = project / "supabase" / to
    sources = sorted(folder.glob(pattern))
    for source in sources:
        copy = target / source.name
        if copy.exists() and copy.read_bytes() != source.read_bytes():
            raise ConfigurationError(f"{copy} is there with other content", hint)
    target.mkdir(parents=True, exist_ok=True)
    new = [source for source in sources if not (target / source.name).exists()]
    return [Path(shutil.copyfile(source, target / source.name)) for source in new]
