"""One private cluster for all tests of this folder, and fresh databases in it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pyworker.local.cluster import Cluster, temporary_cluster
from pyworker.local.installation import chosen_installation
from pyworker.local.platform import install_platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster of this folder's tests alone, without the platform."""
    if chosen_installation() is None:
        pytest.skip("no PostgreSQL server on this machine")
    with temporary_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def platform_template(cluster: Cluster) -> str:
    """The name of a database with the platform in it, of which copies are made: they are quick."""
    name = "platform_template"
    address = cluster.connection_string("supabase_admin")
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(SQL("create database {}").format(Identifier(name)))
    install_platform(cluster.connection_string("supabase_admin", name))
    return name


@pytest.fixture
def create_database(cluster: Cluster) -> Iterator[Callable[..., str]]:
    """Makes databases with unique names, copies of a template, and drops them after the test."""
    created: list[str] = []
    with psycopg.connect(cluster.connection_string("supabase_admin"), autocommit=True) as admin:

        def create(template: str = "template1", owner: str = "supabase_admin") -> str:
            name = f"test_{uuid4().hex[:12]}"
            admin.execute(
                SQL("create database {} template {} owner {}").format(
                    Identifier(name), Identifier(template), Identifier(owner)
                )
            )
            created.append(name)
            return name

        yield create
        for name in created:
            admin.execute(SQL("drop database {} with (force)").format(Identifier(name)))


@pytest.fixture
def platform_database(platform_template: str, create_database: Callable[..., str]) -> str:
    """The name of an otherwise empty database with the platform in it."""
    return create_database(template=platform_template, owner="postgres")


@pytest.fixture
def admin(cluster: Cluster, platform_database: str) -> Iterator[psycopg.Connection]:
    """A connection of supabase_admin, each statement committed by itself."""
    address = cluster.connection_string("supabase_admin", platform_database)
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection


@pytest.fixture
def postgres(cluster: Cluster, platform_database: str) -> Iterator[psycopg.Connection]:
    """A connection of postgres, the role of migrations, each statement committed by itself."""
    address = cluster.connection_string("postgres", platform_database)
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection
