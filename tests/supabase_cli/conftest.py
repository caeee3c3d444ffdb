"""The real Supabase CLI against a private cluster that looks like local Supabase."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pyworker.local.bundle import MIGRATION, frozen_checksums, write_bundle
from pyworker.local.cluster import Cluster, temporary_cluster
from pyworker.local.installation import chosen_installation
from pyworker.local.platform import install_platform

CHECKOUT = Path(__file__).resolve().parents[2]
CLI = CHECKOUT / "node_modules" / ".bin" / "supabase"

# Runs the CLI in a folder: `supabase(folder, "db", "push")`.
Supabase = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> Supabase:
    """Runs the CLI without telemetry, without a look for updates, and with a home of its own."""
    if not CLI.exists():
        pytest.skip("the Supabase CLI is not installed: run npm ci")
    environment = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ} | {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "SUPABASE_HOME": str(tmp_path_factory.mktemp("supabase_home")),
        "SUPABASE_TELEMETRY_DISABLED": "1",
        "SUPABASE_NO_UPDATE_NOTIFIER": "1",
        "DO_NOT_TRACK": "1",
        "CI": "1",
    }

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(CLI), *arguments, "--workdir", str(folder), "--output-format", "json"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster of this folder's tests alone, with the platform in database postgres."""
    if chosen_installation() is None:
        pytest.skip("no PostgreSQL server on this machine")
    with temporary_cluster() as running:
        install_platform(running.connection_string("supabase_admin"))
        yield running


@pytest.fixture(scope="session")
def project(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project whose local database is the cluster, its migration up to date."""
    copy = tmp_path_factory.mktemp("project")
    shutil.copytree(CHECKOUT / "sql", copy / "sql")
    shutil.copytree(
        CHECKOUT / "supabase",
        copy / "supabase",
        ignore=shutil.ignore_patterns(".temp", ".branches"),
    )
    if MIGRATION not in frozen_checksums(copy):
        write_bundle(copy)
    return point_to(copy, cluster)


def point_to(project: Path, cluster: Cluster) -> Path:
    """Writes the port of the cluster into the project's settings."""
    settings = project / "supabase" / "config.toml"
    text, replaced = re.subn(
        r"^port = 54322$", f"port = {cluster.port}", settings.read_text(), flags=re.MULTILINE
    )
    assert replaced == 1
    settings.write_text(text)
    return project


@pytest.fixture(scope="session")
def create_database(cluster: Cluster) -> Callable[[str], str]:
    """Makes a database with the platform in it and returns the address for role postgres."""

    def create(name: str) -> str:
        address = cluster.connection_string("supabase_admin")
        with psycopg.connect(address, autocommit=True) as admin:
            admin.execute(SQL("create database {}").format(Identifier(name)))
        install_platform(cluster.connection_string("supabase_admin", name))
        return cluster.connection_string("postgres", name)

    return create


@pytest.fixture(scope="session")
def pushed(supabase: Supabase, project: Path) -> subprocess.CompletedProcess[str]:
    """What the first `db push` into the empty local database answered."""
    return supabase(project, "db", "push")
