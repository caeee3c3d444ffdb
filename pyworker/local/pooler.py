"""Make sure that there is a transaction pooler for the tests, installing it when missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from pyworker.local.apt import Apt, AptError

PACKAGE = "pgbouncer"
# Debian installs it outside of the path of most accounts.
_FOLDERS = ("/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin")


def find_pooler() -> str | None:
    """Return the full path of PgBouncer, None when it is not installed."""
    path = os.environ.get("PATH", "")
    return shutil.which(PACKAGE, path=os.pathsep.join((path, *_FOLDERS)))


def ensure_pooler(report: Callable[[str], None], apt: Apt | None = None) -> str | None:
    """Return PgBouncer's path, after installing it with apt where that needs no person.

    Without it the tests poll over direct connections, so that its absence is only reported.

    Args:
        report: receives each line of progress.
        apt: the package manager; the machine's own when left out.
    """
    found = find_pooler()
    if found is not None:
        return found
    apt = apt or Apt(report)
    try:
        if apt.available():
            apt.install([PACKAGE], may_ask=False)
    except AptError as error:
        report(str(error))
    found = find_pooler()
    if found is None:
        report("PgBouncer is not installed: the tests poll over direct connections")
    return found
