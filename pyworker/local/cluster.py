"""A private PostgreSQL cluster: created, started and stopped without touching any other."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pyworker.local.errors import LocalError
from pyworker.local.installation import Installation, chosen_installation
from pyworker.local.postmaster import clear_remains, find_postmaster
from pyworker.local.server_account import ServerAccount, server_account
from pyworker.local.server_configuration import server_configuration
from pyworker.local.server_programs import ClusterError, initialise, start_server, stop_server

__all__ = ["PASSWORD", "Cluster", "ClusterError", "free_port", "port_in_use", "temporary_cluster"]

HOST = "127.0.0.1"
SUPERUSER = "supabase_admin"
# The password that local Supabase uses for all its roles.
PASSWORD = "postgres"  # noqa: S105
CONFIGURATION_FILE = "freshness.conf"
START_ATTEMPTS = 3


class Cluster:
    """One cluster in one folder, on one port of 127.0.0.1.

    As root its programs run as the account that owns the data, `postgres` for a new cluster.

    Args:
        folder: holds the data and the server's log; created when needed.
        port: the TCP port.
        installation: the server's programs.
        durable: False for tests: faster, but lost if the machine crashes.
    """

    def __init__(
        self, folder: Path, port: int, installation: Installation, *, durable: bool = True
    ) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.installation = installation
        self.durable = durable
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"

    def create(self) -> bool:
        """Create the cluster unless it is there; say whether it was created.

        Raises:
            ClusterError: it cannot be created, or another major version created it.
        """
        account = self._account()
        if self.created():
            version = (self.data / "PG_VERSION").read_text().strip()
            if version != str(self.installation.version):
                raise ClusterError(
                    f"{self.data} was made by PostgreSQL {version}, but {self.installation.version}"
                    f" is used: install {version}, or delete the data with 'down --delete'"
                )
            return False
        account.give(self.folder)
        # A creation that is cut short leaves the real name unused.
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        initialise(
            account,
            self.installation,
            unfinished,
            superuser=SUPERUSER,
            password=PASSWORD,
            durable=self.durable,
        )
        # What initdb found out about the machine stays; our settings come last and win.
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write(f"include = '{CONFIGURATION_FILE}'\n")
        unfinished.rename(self.data)
        return True

    def created(self) -> bool:
        """Say whether there is a cluster in the folder."""
        return (self.data / "PG_VERSION").exists()

    def start(self) -> bool:
        """Start the server and wait until it answers; say whether anything had to be done.

        A running server whose settings differ (another port, pg_cron installed meanwhile) is
        started again.

        Raises:
            ClusterError: the port is taken, or the server does not start.
        """
        account = self._account()
        text = server_configuration(self.installation, port=self.port, durable=self.durable)
        path = self.data / CONFIGURATION_FILE
        if self.running():
            if path.exists() and path.read_text() == text:
                return False
            self.stop()
        clear_remains(self.data)
        if port_in_use(self.port):
            raise ClusterError(
                f"port {self.port} is in use by another program: "
                "stop that, or set PGPORT to a free port"
            )
        path.write_text(text)
        account.own(path)
        start_server(account, self.installation, self.data, log=self.log)
        return True

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> bool:
        """Stop the server and wait for its end; say whether it was running.

        `immediate` is a crash: the next start recovers from the log.
        """
        if not self.running():
            return False
        stop_server(self._account(), self.installation, self.data, mode=mode)
        return True

    def restart(self) -> None:
        """Stop the server, if it runs, and start it."""
        self.stop()
        self.start()

    def running(self) -> bool:
        """Say whether a server serves this folder, on whatever port."""
        return find_postmaster(self.data) is not None

    def delete(self) -> None:
        """Stop the server and delete its folder."""
        if self.running():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def connection_string(self, user: str = "postgres", database: str = "postgres") -> str:
        """Return a URL for a role; `supabase_admin` is the superuser."""
        return f"postgresql://{user}:{PASSWORD}@{HOST}:{self.port}/{database}"

    def _account(self) -> ServerAccount:
        return server_account(self.folder)


@contextmanager
def temporary_cluster(
    installation: Installation | None = None, *, durable: bool = False
) -> Iterator[Cluster]:
    """Run an empty cluster on a free port, stopped and deleted at the end, also after errors.

    Args:
        installation: the server's programs; when left out, those in POSTGRES_BIN, else the best
            on this machine.
        durable: True if a test is about surviving a crash of the machine.

    Raises:
        LocalError: there is no server on this machine, or it does not start.
    """
    installation = installation or chosen_installation()
    if installation is None:
        raise LocalError("no PostgreSQL server found: run 'python -m pyworker.local packages'")
    folder = Path(tempfile.mkdtemp(prefix="freshness-"))
    cluster = Cluster(folder, free_port(), installation, durable=durable)
    try:
        cluster.create()
        _start_on_a_free_port(cluster)
        yield cluster
    finally:
        cluster.delete()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def port_in_use(port: int) -> bool:
    """Say whether a program other than ours listens on a TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        # As PostgreSQL does: connections that are only winding down are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _start_on_a_free_port(cluster: Cluster) -> None:
    # Someone else may take the port between our choice and the start.
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            cluster.start()
        except ClusterError:
            if attempt == START_ATTEMPTS:
                raise
            cluster.port = free_port()
        else:
            return
