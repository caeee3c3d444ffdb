"""The few things that we ask of apt, on Debian and Ubuntu."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LISTS = Path("/var/lib/apt/lists")
DAY_SECONDS = 24 * 60 * 60


class AptError(Exception):
    """A package cannot be installed; the message is one line that says what to do."""


class Apt:
    """Installs packages as root, or through sudo."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """Send each line of progress to `report`."""
        self._report = report

    def available(self) -> bool:
        """Say whether this machine has apt."""
        return bool(shutil.which("apt-get") and shutil.which("apt-cache"))

    def names(self, prefix: str) -> set[str]:
        """Name the known packages that begin with `prefix`."""
        command = ["apt-cache", "pkgnames", prefix]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return set(done.stdout.split())

    def update_if_old(self, *, may_ask: bool) -> bool:
        """Fetch the lists of packages, unless that was done within a day; say whether it was.

        Without this limit each start would fetch them, where an add-on is offered nowhere.
        """
        known = any(LISTS.glob("*_Packages*")) or any(LISTS.glob("*Release"))
        if known and time.time() - LISTS.stat().st_mtime < DAY_SECONDS:
            return False
        privilege = self._privilege(may_ask=may_ask)
        if privilege is None:
            return False
        self._report("Fetching the lists of packages")
        return self._run([*privilege, "apt-get", "update", "-qq"])

    def install(self, packages: list[str], *, may_ask: bool) -> None:
        """Install packages from the distribution.

        Args:
            packages: their names.
            may_ask: whether sudo may ask a person for a password.

        Raises:
            AptError: not allowed, or apt failed.
        """
        by_hand = f"sudo apt-get install -y {' '.join(packages)}"
        privilege = self._privilege(may_ask=may_ask)
        if privilege is None:
            raise AptError(f"packages are missing and need root to install: {by_hand}")
        self._report(f"Installing {', '.join(packages)}")
        command = [
            *(*privilege, "env", "DEBIAN_FRONTEND=noninteractive"),
            *("apt-get", "install", "-y", "-qq", "--no-install-recommends"),
            *("-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"),
            *packages,
        ]
        # Lists that are a few days old name versions that are gone: then fetch them and try again.
        if not self._run(command) and not (
            self._run([*privilege, "apt-get", "update", "-qq"]) and self._run(command)
        ):
            raise AptError(f"apt-get failed, see above; try it by hand: {by_hand}")

    def _privilege(self, *, may_ask: bool) -> list[str] | None:
        if os.geteuid() == 0:
            return []
        sudo = shutil.which("sudo")
        if sudo is None:
            return None
        probe = subprocess.run([sudo, "-n", "true"], capture_output=True, check=False)
        return [sudo] if probe.returncode == 0 or (may_ask and sys.stdin.isatty()) else None

    def _run(self, command: list[str]) -> bool:
        # A successful installation has nothing to tell; it would fill some screens.
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
        )
        for line in done.stdout.splitlines() if done.returncode != 0 else []:
            self._report(line)
        return done.returncode == 0
