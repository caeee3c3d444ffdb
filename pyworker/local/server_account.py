"""The operating-system account that the server runs under: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pyworker.local.errors import LocalError


@dataclass(frozen=True)
class ServerAccount:
    """Runs programs as the owner of the data.

    Attributes:
        name: the account's name.
        user_id: its numeric id.
        group_id: the numeric id of its group.
    """

    name: str
    user_id: int
    group_id: int

    def run(self, *command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, holding no terminal; its output is in the result."""
        switch: dict[str, object] = {}
        if os.geteuid() != self.user_id:
            switch = {"user": self.user_id, "group": self.group_id, "extra_groups": []}
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            command,
            **switch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
            # The caller's folder may be closed to the account.
            cwd="/",
            env=_environment(),
        )

    def give(self, folder: Path) -> None:
        """Create a folder if it is missing, owned by the account and closed to others."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.own(folder)

    def own(self, path: Path) -> None:
        """Make the account the owner of a file or folder, where we may."""
        if os.geteuid() == 0:
            shutil.chown(path, self.user_id, self.group_id)

    def can_reach(self, folder: Path) -> bool:
        """Say whether the account may enter the folder, or its nearest parent that exists."""
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if os.geteuid() == self.user_id:
            return os.access(existing, os.X_OK)
        return self.run("/usr/bin/env", "test", "-x", str(existing)).returncode == 0


def server_account(data: Path) -> ServerAccount:
    """Return the account for a data folder: its owner, else whoever we are, for root `postgres`.

    Raises:
        LocalError: the data is someone else's, or we are root and there is no account to use.
    """
    our_id = os.geteuid()
    owner = data.stat().st_uid if data.exists() else our_id
    if our_id not in (0, owner):
        raise LocalError(f"{data} belongs to {_name(owner)}: run this as {_name(owner)} or as root")
    try:
        entry = pwd.getpwnam("postgres") if owner == 0 else pwd.getpwuid(owner)
    except KeyError:
        if owner != 0:
            return ServerAccount(str(owner), owner, data.stat().st_gid if data.exists() else 0)
        raise LocalError(
            "PostgreSQL refuses to run as root, and there is no account named postgres: "
            "create one, or run this as an ordinary user"
        ) from None
    return ServerAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def _environment() -> dict[str, str]:
    # Variables such as PGDATA or PGOPTIONS are meant for other servers and clients.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}
