"""`up` and `down`, as a person runs them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest

from pyworker.local import environment
from pyworker.local.cluster import free_port, temporary_cluster
from pyworker.local.errors import LocalError
from pyworker.local.installation import find_installation
from pyworker.local.location import SHARED_FOLDER, cluster_folder
from pyworker.local.platform import install_platform
from pyworker.local.postmaster import find_postmaster

CHECKOUT = Path(__file__).parents[2]
PACKAGES = sysconfig.get_path("platlib")

pytestmark = pytest.mark.skipif(find_installation() is None, reason="no PostgreSQL found")


@dataclass
class Project:
    """A copy of what `up` needs, with its own port and one migration."""

    folder: Path
    port: int
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address that `up` promises."""
        return f"postgresql://postgres:postgres@127.0.0.1:{self.port}/postgres"

    def up(self) -> str:
        """Call `up` and keep what it reports."""
        self.lines.clear()
        return environment.up(self.folder, self.lines.append)

    def down(self, *, delete: bool = False) -> None:
        """Call `down` and keep what it reports."""
        self.lines.clear()
        environment.down(self.folder, self.lines.append, delete=delete)

    def run(
        self, *arguments: str, user: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -m pyworker.local` from a copy of the package in the project."""
        self.copy_package()
        account = pwd.getpwnam(user) if user else None
        return subprocess.run(
            [python_for(user), "-m", "pyworker.local", *arguments],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "PGPORT": str(self.port),
                "PYTHONPATH": PACKAGES,
                "PYTHONDONTWRITEBYTECODE": "1",
                **variables,
            },
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def copy_package(self) -> None:
        """Make the project a checkout of its own."""
        if not (self.folder / "pyworker").exists():
            without_caches = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / "pyworker", self.folder / "pyworker", ignore=without_caches)
            shutil.copy(CHECKOUT / "pyproject.toml", self.folder)


def python_for(user: str | None) -> str:
    """Return a Python that the account can run with our packages, or skip the test."""
    if user is None:
        return sys.executable
    for python in (sys.executable, "/usr/bin/python3"):
        # Through `env`, because starting a program that one may not run raises.
        probe = subprocess.run(
            ["/usr/bin/env", python, "-c", "import psycopg, pydantic_settings"],
            user=user,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": PACKAGES},
            capture_output=True,
            check=False,
        )
        if probe.returncode == 0:
            return python
    pytest.skip(f"the account {user} cannot read this Python environment")


@pytest.fixture
def make_project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Project]]:
    """Return a function that makes projects; their databases are deleted at the end."""
    for name in ("DATABASE_URL", "POSTGRES_BIN"):
        monkeypatch.delenv(name, raising=False)
    made: list[Project] = []

    def make() -> Project:
        folder = Path(tempfile.mkdtemp(prefix="freshness-project-"))
        folder.chmod(0o755)
        migrations = folder / "supabase" / "migrations"
        migrations.mkdir(parents=True)
        (migrations / "20260101000000_first.sql").write_text(
            "create schema first;\ncreate table first.numbers (n integer);\n"
        )
        project = Project(folder, free_port())
        monkeypatch.setenv("PGPORT", str(project.port))
        made.append(project)
        return project

    yield make
    for project in made:
        (project.folder / ".env").unlink(missing_ok=True)
        project.down(delete=True)
        shutil.rmtree(project.folder)


@pytest.fixture
def project(make_project: Callable[[], Project]) -> Project:
    return make_project()


def ask(url: str, query: str) -> object:
    """Return the first value of a query's answer."""
    with closing(psycopg.connect(url)) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def test_up_gives_a_database_with_the_platform_and_the_migrations(project: Project) -> None:
    """As in local Supabase, postgres is not a superuser."""
    assert project.up() == project.url
    assert ask(project.url, "select current_setting('is_superuser')") == "off"
    assert ask(project.url, "select to_regclass('realtime.subscription')") is not None
    assert ask(project.url, "select to_regclass('first.numbers')") is not None
    assert project.lines[-1].startswith("Applied the migration 20260101000000_first")
    owner = "select nspowner::regrole::text from pg_namespace where nspname = 'first'"
    assert ask(project.url, owner) == "postgres"


def test_a_second_up_changes_nothing_and_is_fast(project: Project) -> None:
    """Nothing to report, the same server, less than two seconds."""
    project.up()
    before = find_postmaster(cluster_folder(project.folder) / "data")
    started = time.monotonic()
    assert project.up() == project.url
    assert time.monotonic() - started < 2
    assert project.lines == []
    assert find_postmaster(cluster_folder(project.folder) / "data") == before


def test_down_stops_and_up_brings_the_data_back(project: Project) -> None:
    """Deleting needs to be asked for."""
    project.up()
    with psycopg.connect(project.url) as connection:
        connection.execute("insert into first.numbers values (7)")
    project.down()
    assert project.lines == ["Stopped PostgreSQL"]
    project.down()
    assert project.lines == ["PostgreSQL was not running"]
    project.up()
    assert ask(project.url, "select n from first.numbers") == 7
    project.down(delete=True)
    assert not cluster_folder(project.folder).exists()
    project.down()
    assert project.lines == ["There is no private database"]


def test_up_works_without_pg_cron(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose add-ons are missing gives all the rest."""
    found = find_installation()
    assert found is not None
    bare = replace(found, extensions=project.folder)
    monkeypatch.setattr(environment, "ensure_packages", lambda *_, **__: bare)
    project.up()
    assert ask(project.url, "select to_regnamespace('cron')") is None
    assert ask(project.url, "select to_regclass('first.numbers')") is not None


def test_a_given_database_is_used_and_none_is_started(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the migrations are applied to it."""
    with temporary_cluster() as given:
        install_platform(given.connection_string(user="supabase_admin"))
        monkeypatch.setenv("DATABASE_URL", given.connection_string())
        monkeypatch.setattr(environment, "ensure_packages", None)
        assert project.up() == given.connection_string()
        assert ask(given.connection_string(), "select to_regclass('first.numbers')") is not None
        assert not cluster_folder(project.folder).exists()
        (project.folder / ".env").write_text(f"DATABASE_URL={given.connection_string()}\n")
        monkeypatch.delenv("DATABASE_URL")
        assert project.up() == given.connection_string()
        assert project.lines == ["Using the database in DATABASE_URL"]


def test_the_printed_address_may_be_put_into_the_env_file(project: Project) -> None:
    """It is recognised as the private database, which is then started as before."""
    (project.folder / ".env").write_text(f"DATABASE_URL={project.up()}\n")
    project.down()
    assert project.up() == project.url
    assert project.lines[0].startswith("Started PostgreSQL")


def test_the_command_prints_the_address_last_and_leaves_the_server_running(
    project: Project,
) -> None:
    """It ends although the server goes on: nothing holds its output open."""
    done = project.run("up")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"DATABASE_URL={project.url}\n"
    assert "Started PostgreSQL" in done.stderr
    assert ask(project.url, "select 1") == 1
    again = project.run("up", "--quiet")
    assert (again.stdout, again.stderr) == (done.stdout, "")
    assert project.run("down").returncode == 0
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(project.url)


def test_two_at_once_give_one_database(project: Project) -> None:
    """The second waits for the first."""
    project.copy_package()
    command = [sys.executable, "-m", "pyworker.local", "up", "--quiet"]
    both = [subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0].decode() for process in both]
    assert outputs == [f"DATABASE_URL={project.url}\n"] * 2
    assert [process.returncode for process in both] == [0, 0]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PGPORT": "many"}, "Error: PGPORT in the environment or .env: "),
        ({"POSTGRES_BIN": "/nowhere"}, "Error: POSTGRES_BIN: no PostgreSQL 15 or later in /now"),
        ({"DATABASE_URL": "postgres://me:hidden@[x/y"}, "Error: DATABASE_URL is not a connection"),
        ({"DATABASE_URL": "postgres://me:hidden@127.0.0.1:1/y"}, "Error: "),
    ],
    ids=["port", "programs", "address", "unreachable"],
)
def test_bad_settings_are_one_line_without_secrets(
    project: Project, variables: dict[str, str], expected: str
) -> None:
    """No traceback, and an exit status that says so."""
    done = project.run("up", **variables)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(expected)
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stderr


def test_a_taken_port_is_one_line(project: Project) -> None:
    """It names the port and the variable."""
    with temporary_cluster() as stranger:
        done = project.run("up", PGPORT=str(stranger.port))
    assert done.returncode == 1
    assert f"Error: port {stranger.port} is in use" in done.stderr
    assert "PGPORT" in done.stderr.splitlines()[-1]


def test_a_failing_migration_is_one_line(project: Project) -> None:
    """It names the file."""
    broken = project.folder / "supabase" / "migrations" / "20260102000000_broken.sql"
    broken.write_text("select 1;\nselect no_such_column;\n")
    done = project.run("up", "--quiet")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "20260102000000_broken" in done.stderr


def test_a_foreign_password_is_not_printed(project: Project) -> None:
    """The output of a build is read by many."""
    with temporary_cluster() as given:
        install_platform(given.connection_string(user="supabase_admin"))
        with psycopg.connect(given.connection_string(user="supabase_admin")) as connection:
            connection.execute("alter role postgres password 'hidden'")
        address = given.connection_string().replace(":postgres@", ":hidden@")
        done = project.run("up", DATABASE_URL=address)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"DATABASE_URL={address.replace('hidden', '***')}\n"
    assert "hidden" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_an_ordinary_user_needs_no_root(project: Project) -> None:
    """The server belongs to that user, and so does its data."""
    project.copy_package()
    for path in [project.folder, *project.folder.rglob("*")]:
        shutil.chown(path, "nobody")
    done = project.run("up", user="nobody")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"DATABASE_URL={project.url}\n"
    assert ask(project.url, "select to_regclass('first.numbers')") is not None
    data = project.folder / ".local" / "postgres" / "data"
    postmaster = find_postmaster(data)
    assert postmaster is not None
    nobody = pwd.getpwnam("nobody").pw_uid
    assert Path(f"/proc/{postmaster.process_id}").stat().st_uid == nobody
    assert project.run("down", user="nobody").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_the_data_of_another_user_are_refused_in_one_line(project: Project) -> None:
    """The message says whose they are."""
    project.up()
    (project.folder / ".local" / "lock").chmod(0o666)
    done = project.run("up", user="nobody")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("run this as postgres or as root")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="for an ordinary user nothing is out of reach")
def test_a_project_that_the_server_cannot_enter_has_its_data_elsewhere(project: Project) -> None:
    """Such as a clone under /root."""
    project.folder.chmod(0o700)
    assert project.up() == project.url
    assert "cannot enter" in project.lines[0]
    folder = cluster_folder(project.folder)
    assert folder.parent == SHARED_FOLDER
    project.down(delete=True)
    assert not folder.exists()


def test_down_without_a_server_program_says_what_to_do(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL may have been removed from the machine meanwhile."""
    project.up()
    with monkeypatch.context() as patch:
        patch.setattr(environment, "find_installation", lambda **_: None)
        with pytest.raises(LocalError, match="POSTGRES_BIN"):
            project.down()
