"""A durable cluster in which each peer gets databases of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bench.cluster import prepared_cluster
from bench.peers.peer import Peer
from pyworker.local.cluster import Cluster

TRANSACTIONS = """
select xact_commit + xact_rollback from pg_stat_database where datname = %s
"""


class Databases:
    """Creates databases, and reads what the server counts, from a database that is not measured."""

    def __init__(self, cluster: Cluster, administrator: psycopg.Connection) -> None:
        self._cluster = cluster
        self._administrator = administrator
        self._templates: dict[Peer, str] = {}
        self._made = 0

    def create(self, peer: Peer | None = None) -> str:
        """Return the URL of a new database, with the peer's schema in it."""
        if peer is not None and peer not in self._templates:
            template = f"template_of_{peer.name}_{len(self._templates)}"
            self._administrator.execute(f"create database {template} owner postgres".encode())
            peer.install(self._cluster.connection_string(database=template))
            self._templates[peer] = template
        self._made += 1
        name = f"{peer.name if peer else 'untouched'}_{self._made}"
        template = self._templates[peer] if peer else "template0"
        self._administrator.execute(
            f"create database {name} template {template} owner postgres".encode()
        )
        return self._cluster.connection_string(database=name)

    def set(self, name: str, value: str) -> None:
        """Change a setting of the server."""
        self._administrator.execute(f"alter system set {name} = {value}".encode())
        self._administrator.execute("select pg_reload_conf()")

    def analyze(self, url: str) -> None:
        """As autovacuum would, once it has come round."""
        with psycopg.connect(
            url.replace("//postgres:", "//supabase_admin:"), autocommit=True
        ) as connection:
            connection.execute("vacuum analyze")

    def transactions(self, url: str) -> int:
        """Return how many transactions the server has counted in a database."""
        return self._number(TRANSACTIONS, url.rsplit("/", 1)[1])

    def wal_position(self) -> int:
        """Return the position in the write-ahead log, in bytes."""
        return self._number("select (pg_current_wal_insert_lsn() - '0/0')::bigint")

    def _number(self, query: str, *parameters: str) -> int:
        found = self._administrator.execute(query.encode(), parameters).fetchone()
        assert found is not None
        return int(found[0])


@contextmanager
def databases() -> Iterator[Databases]:
    """Run a cluster for the time of a measurement."""
    with (
        prepared_cluster() as cluster,
        psycopg.connect(
            cluster.connection_string("supabase_admin"), autocommit=True
        ) as administrator,
    ):
        yield Databases(cluster, administrator)
