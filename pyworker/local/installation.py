"""Find the programs of an installed PostgreSQL server."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pyworker.local.errors import LocalError
from pyworker.local.settings import project_folder, read_settings

OLDEST_VERSION = 15
DEBIAN_FOLDER = Path("/usr/lib/postgresql")
PROGRAMS = ("initdb", "pg_ctl", "postgres")


@dataclass(frozen=True)
class Installation:
    """One installed PostgreSQL server.

    Attributes:
        programs: the folder with `initdb`, `pg_ctl` and `postgres`.
        version: the major version.
        extensions: the folder with the control files of the extensions.
    """

    programs: Path
    version: int
    extensions: Path

    @property
    def from_debian(self) -> bool:
        """Say whether a Debian package brought it, so that apt can add to it."""
        return self.programs.is_relative_to(DEBIAN_FOLDER)

    def has_extension(self, name: str) -> bool:
        """Say whether `create extension name` can find the extension."""
        return (self.extensions / f"{name}.control").is_file()

    def program(self, name: str) -> str:
        """Return the full path of one program."""
        return str(self.programs / name)


def find_installation(
    *, postgres_bin: Path | None = None, version: int | None = None
) -> Installation | None:
    """Find the best server on this machine: with pg_cron if any, then the newest.

    Args:
        postgres_bin: look only here.
        version: accept only this major version.

    Raises:
        LocalError: `postgres_bin` was given and holds no usable server.
    """
    if postgres_bin is not None:
        given = _inspect(postgres_bin)
        if given is None:
            raise LocalError(
                f"POSTGRES_BIN: no PostgreSQL {OLDEST_VERSION} or later in {postgres_bin}"
            )
        if version not in (None, given.version):
            raise LocalError(
                f"the private database needs PostgreSQL {version}, but POSTGRES_BIN has "
                f"{given.version}: unset it, or delete the data with 'down --delete'"
            )
        return given
    found = [server for folder in _candidates() if (server := _inspect(folder)) is not None]
    if version is not None:
        found = [server for server in found if server.version == version]
    return max(found, key=lambda s: (s.has_extension("pg_cron"), s.version), default=None)


def chosen_installation() -> Installation | None:
    """Find the server in POSTGRES_BIN, of the environment or `.env`, else the best one.

    Raises:
        LocalError: POSTGRES_BIN holds no usable server.
    """
    return find_installation(postgres_bin=read_settings(project_folder()).postgres_bin)


def _candidates() -> list[Path]:
    folders = sorted(DEBIAN_FOLDER.glob("*/bin"))
    for name in ("pg_config", "postgres"):
        program = shutil.which(name)
        if program and name == "pg_config":
            folders.append(Path(_output(program, "--bindir")))
        elif program:
            folders.append(Path(program).resolve().parent)
    folders += sorted(Path("/opt/homebrew/opt").glob("postgresql@*/bin"))
    folders += sorted(Path("/usr/local/opt").glob("postgresql@*/bin"))
    return list(dict.fromkeys(folders))


def _inspect(folder: Path) -> Installation | None:
    if not all((folder / name).is_file() for name in PROGRAMS):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", _output(str(folder / "postgres"), "--version"))
    if match is None or int(match[1]) < OLDEST_VERSION:
        return None
    version = int(match[1])
    return Installation(folder, version, _share_folder(folder, version) / "extension")


def _share_folder(folder: Path, version: int) -> Path:
    pg_config = folder / "pg_config"
    if pg_config.is_file() and (share := _output(str(pg_config), "--sharedir")):
        return Path(share)
    guesses = [
        folder.parent / "share" / "postgresql",
        folder.parent / "share",
    ]
    if folder.is_relative_to("/usr/lib/postgresql"):
        guesses.append(Path(f"/usr/share/postgresql/{version}"))
    return next((guess for guess in guesses if (guess / "extension").is_dir()), guesses[-1])


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
