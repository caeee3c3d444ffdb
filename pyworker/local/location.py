"""Where the private cluster of a project lies."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from pyworker.local.errors import LocalError
from pyworker.local.server_account import server_account

SHARED_FOLDER = Path("/var/lib/postgresql")


def cluster_folder(project: Path) -> Path:
    """Return `.local/postgres` in the project, or a folder that the server can reach.

    Root's server runs as `postgres`, which cannot enter a project under /root, for one. Before
    PostgreSQL is installed there may be no such account: then the answer is `.local/postgres`.
    """
    inside = project / ".local" / "postgres"
    if os.geteuid() != 0:
        return inside
    try:
        account = server_account(inside)
    except LocalError:
        return inside
    if account.can_reach(inside):
        return inside
    name = hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:12]
    return SHARED_FOLDER / f"supabase-freshness-{name}"
