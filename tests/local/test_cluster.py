"""Private clusters: real servers in temporary folders."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from pyworker.local.cluster import Cluster, ClusterError, free_port, temporary_cluster
from pyworker.local.installation import Installation, chosen_installation
from pyworker.local.postmaster import find_postmaster
from pyworker.local.server_account import server_account
from pyworker.local.server_configuration import server_configuration

pytestmark = pytest.mark.skipif(chosen_installation() is None, reason="no PostgreSQL found")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with temporary_cluster() as cluster:
        yield cluster


def ask(cluster: Cluster, query: str) -> object:
    """Return the first value that a query gives the superuser."""
    with closing(psycopg.connect(cluster.connection_string(user="supabase_admin"))) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def postmaster_id(cluster: Cluster) -> int:
    """Return the process id of the running server."""
    postmaster = find_postmaster(cluster.data)
    assert postmaster is not None
    return postmaster.process_id


def kill(process_id: int) -> None:
    """Kill a process and wait for its end."""
    handle = os.pidfd_open(process_id)
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        assert select.select([handle], [], [], 10)[0]
    finally:
        os.close(handle)


def test_a_cluster_listens_on_its_port_with_what_the_platform_needs(cluster: Cluster) -> None:
    """UTF-8, passwords by SCRAM, logical decoding, and the superuser of local Supabase."""
    assert ask(cluster, "select current_user") == "supabase_admin"
    assert ask(cluster, "show server_encoding") == "UTF8"
    assert ask(cluster, "show wal_level") == "logical"
    assert ask(cluster, "show listen_addresses") == "127.0.0.1"
    assert ask(cluster, "show max_connections") == "200"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(cluster.connection_string().replace(":postgres@", ":wrong@"))


def test_pg_cron_runs_as_background_workers_where_it_is_installed(cluster: Cluster) -> None:
    """A client connection of its own would need a password."""
    if not cluster.installation.has_extension("pg_cron"):
        pytest.skip("pg_cron is not installed")
    ask(cluster, "select 1")
    assert ask(cluster, "show cron.use_background_workers") == "on"
    assert ask(cluster, "show cron.database_name") == "postgres"


def test_a_cluster_starts_without_pg_cron(tmp_path: Path) -> None:
    """Any PostgreSQL from 15 on is enough."""
    found = chosen_installation()
    assert found is not None
    with temporary_cluster(replace(found, extensions=tmp_path)) as cluster:
        assert ask(cluster, "show shared_preload_libraries") == ""


def test_only_a_temporary_cluster_gives_up_durability() -> None:
    """What `up` starts keeps its data when the machine crashes."""
    found = chosen_installation()
    assert found is not None
    assert "fsync" not in server_configuration(found, port=1, durable=True)
    assert "fsync = off" in server_configuration(found, port=1, durable=False)


def test_creating_and_starting_again_change_nothing(cluster: Cluster) -> None:
    """The server is the same process."""
    before = postmaster_id(cluster)
    assert not cluster.create()
    assert not cluster.start()
    assert postmaster_id(cluster) == before


def test_a_creation_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    """Half a data folder is never taken for a whole one."""
    found = chosen_installation()
    assert found is not None
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    cluster = Cluster(tmp_path / "cluster", free_port(), found, durable=False)
    (cluster.folder / "data.unfinished").mkdir(parents=True)
    (cluster.folder / "data.unfinished" / "PG_VERSION").write_text("15\n")
    try:
        assert not cluster.created()
        assert cluster.create()
        assert cluster.start()
        assert ask(cluster, "select 1") == 1
    finally:
        cluster.delete()


def test_data_survive_a_stop_and_a_restart(cluster: Cluster) -> None:
    """Also a stop that is like a crash."""
    with psycopg.connect(cluster.connection_string(user="supabase_admin")) as connection:
        connection.execute("create table public.kept as select 42 as answer")
    assert cluster.stop()
    assert not cluster.running()
    assert not cluster.stop()
    cluster.restart()
    cluster.stop("immediate")
    assert cluster.start()
    assert ask(cluster, "select answer from public.kept") == 42


def test_a_killed_server_starts_again(cluster: Cluster) -> None:
    """SIGKILL leaves postmaster.pid and, for a moment, children behind."""
    with psycopg.connect(cluster.connection_string(user="supabase_admin")) as connection:
        connection.execute("create table public.kept as select 42 as answer")
    kill(postmaster_id(cluster))
    assert not cluster.running()
    assert cluster.start()
    assert ask(cluster, "select answer from public.kept") == 42


def test_a_stale_process_number_of_another_program_is_no_obstacle(cluster: Cluster) -> None:
    """After a reboot, the number in postmaster.pid may belong to anybody."""
    with temporary_cluster() as other:
        cluster.stop()
        stranger = postmaster_id(other)
        lines = [stranger, cluster.data, 1, cluster.port, "", "127.0.0.1", "1 1", "ready"]
        (cluster.data / "postmaster.pid").write_text("\n".join(map(str, lines)))
        assert not cluster.running()
        assert cluster.start()
        assert postmaster_id(other) == stranger


def test_a_port_in_use_is_named_in_one_line(cluster: Cluster) -> None:
    """With the variable that changes it; the other program is left alone."""
    cluster.stop()
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        cluster.port = stranger.getsockname()[1]
        with pytest.raises(ClusterError) as error:
            cluster.start()
    assert f"port {cluster.port} is in use" in str(error.value)
    assert "PGPORT" in str(error.value)
    assert "\n" not in str(error.value)


def test_another_port_moves_a_running_server(cluster: Cluster) -> None:
    """The port that was asked for last is the one that counts."""
    cluster.port = free_port()
    assert cluster.start()
    assert ask(cluster, "show port") == str(cluster.port)


def test_a_server_that_cannot_start_tells_its_own_reason(cluster: Cluster) -> None:
    """Not only that pg_ctl failed."""
    cluster.stop()
    (cluster.data / "postgresql.auto.conf").write_text("max_connections = 1\n")
    with pytest.raises(ClusterError) as error:
        cluster.start()
    assert "max_connections" in str(error.value) or "superuser_reserved" in str(error.value)
    assert str(cluster.log) in str(error.value)


def test_data_of_another_version_are_refused(cluster: Cluster) -> None:
    """The message says what both versions are."""
    installation = cluster.installation
    newer = Installation(installation.programs, 99, installation.extensions)
    with pytest.raises(ClusterError, match=rf"made by PostgreSQL {installation.version}, but 99"):
        Cluster(cluster.folder, cluster.port, newer).create()


def test_a_temporary_cluster_is_gone_after_an_error() -> None:
    """Neither its folder nor its process stays."""
    seen: list[Cluster] = []

    def fail() -> None:
        with temporary_cluster() as cluster:
            seen.append(cluster)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert not seen[0].folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(seen[0].connection_string(user="supabase_admin"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_for_root_the_server_runs_as_the_owner_of_the_data(cluster: Cluster) -> None:
    """PostgreSQL refuses root."""
    account = server_account(cluster.folder)
    assert account.user_id != 0
    assert Path(f"/proc/{postmaster_id(cluster)}").stat().st_uid == account.user_id
    assert cluster.folder.stat().st_mode & 0o077 == 0
