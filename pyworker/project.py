"""Puts our migrations into a Supabase project."""

from __future__ import annotations

import shutil
from pathlib import Path

from pyworker.errors import ConfigurationError


def copy_migrations(project: Path) -> list[Path]:
    """Copy the migrations to `supabase/migrations` of a project; returns the files that are new.

    A file that is there already with the same content is left alone.

    Raises:
        ConfigurationError: the project has no folder `supabase`, or another file of that name.
    """
    if not (project / "supabase").is_dir():
        raise ConfigurationError(
            f"{project / 'supabase'} is not there",
            "run this in the folder of a Supabase project, or supabase init first",
        )
    target = project / "supabase" / "migrations"
    sources = sorted(migrations_folder().glob("*.sql"))
    for source in sources:
        copy = target / source.name
        if copy.exists() and copy.read_bytes() != source.read_bytes():
            raise ConfigurationError(
                f"{copy} is there with other content",
                "if it was not pushed yet, delete it and run this again",
            )
    target.mkdir(exist_ok=True)
    new = [source for source in sources if not (target / source.name).exists()]
    return [Path(shutil.copyfile(source, target / source.name)) for source in new]


def migrations_folder() -> Path:
    """Return the folder with our migrations: in the installed package, or in the checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "database" / "migrations"
    return installed if installed.is_dir() else package.parent / "supabase" / "migrations"
