"""Make sure that there is a PostgreSQL server with the add-ons, installing what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from pyworker.local.apt import Apt, AptError
from pyworker.local.errors import LocalError
from pyworker.local.installation import OLDEST_VERSION, Installation, find_installation

Report = Callable[[str], None]

# The name of each extension, and how its Debian package's name ends.
ADD_ONS = {"pg_cron": "cron", "pgtap": "pgtap", "plpgsql_check": "plpgsql-check"}


def ensure_packages(
    report: Report,
    *,
    postgres_bin: Path | None = None,
    version: int | None = None,
    apt: Apt | None = None,
) -> Installation:
    """Return an installed PostgreSQL, after installing with apt what it lacks.

    Does nothing when everything is there. Missing add-ons that cannot be installed are reported
    and do no harm; a missing server is an error.

    Args:
        report: receives each line of progress.
        postgres_bin: use exactly this folder with the server's programs, and install nothing.
        version: accept only this major version, because there is data of it.
        apt: the package manager; the machine's own when left out.

    Raises:
        LocalError: there is no usable server and none can be installed.
    """
    found = find_installation(postgres_bin=postgres_bin, version=version)
    if found is not None and not missing_add_ons(found):
        return found
    apt = apt or Apt(report)
    if postgres_bin is None and apt.available() and (found is None or found.from_debian):
        found = _install(report, apt, found, version)
    if found is None:
        raise LocalError(_advice(version))
    missing = missing_add_ons(found)
    if missing:
        report(f"PostgreSQL {found.version} has no {', '.join(missing)}: going on without")
    return found


def missing_add_ons(installation: Installation) -> list[str]:
    """Name the add-ons whose control file is not there."""
    return [name for name in ADD_ONS if not installation.has_extension(name)]


def choose_version(offered: Iterable[str]) -> int | None:
    """Choose the major version to install from names of packages that apt offers.

    The newest for which all add-ons are offered wins, else the newest of all.
    """
    names = set(offered)
    digits = (name.removeprefix("postgresql-") for name in names)
    versions = [int(n) for n in digits if n.isdecimal() and int(n) >= OLDEST_VERSION]
    return max(versions, key=lambda v: (names >= set(_packages(v)), v), default=None)


def _packages(version: int) -> list[str]:
    server = f"postgresql-{version}"
    return [server, *(f"{server}-{ending}" for ending in ADD_ONS.values())]


def _install(
    report: Report, apt: Apt, found: Installation | None, version: int | None
) -> Installation | None:
    wanted = found.version if found else version
    # A person is asked for a password only if nothing works without the packages.
    may_ask = found is None
    try:
        offered = apt.names("postgresql-")
        if not _complete(offered, wanted) and apt.update_if_old(may_ask=may_ask):
            offered = apt.names("postgresql-")
        chosen = wanted or choose_version(offered)
        if chosen is None:
            return found
        lacking = _lacking(found, chosen)
        packages = [name for name in lacking if name in offered]
        if packages:
            apt.install(packages, may_ask=may_ask)
    except AptError as error:
        if found is None:
            raise LocalError(str(error)) from None
        report(str(error))
    return find_installation(version=chosen if found is None else found.version) or found


def _complete(offered: set[str], version: int | None) -> bool:
    chosen = version or choose_version(offered)
    return chosen is not None and offered >= set(_packages(chosen))


def _lacking(found: Installation | None, version: int) -> list[str]:
    if found is None:
        return _packages(version)
    return [f"postgresql-{version}-{ADD_ONS[name]}" for name in missing_add_ons(found)]


def _advice(version: int | None) -> str:
    which = f"PostgreSQL {version}" if version else f"PostgreSQL {OLDEST_VERSION} or later"
    how = "brew install" if shutil.which("brew") else "install the package"
    return (
        f"{which} was not found: {how} postgresql@{version or 17}, or set POSTGRES_BIN to the "
        "folder with its programs, or DATABASE_URL to a database"
    )
