"""The cluster that a measurement runs on: durable, empty but for our schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyworker.local.cluster import Cluster, temporary_cluster
from pyworker.local.migrations import apply_migrations
from pyworker.local.platform import install_platform

MIGRATIONS = Path(__file__).resolve().parents[1] / "supabase" / "migrations"


@contextmanager
def prepared_cluster() -> Iterator[Cluster]:
    """Run a cluster with the platform and the migrations; deleted at the end."""
    with temporary_cluster(durable=True) as cluster:
        install_platform(cluster.connection_string(user="supabase_admin"))
        apply_migrations(cluster.connection_string(), MIGRATIONS)
        yield cluster
