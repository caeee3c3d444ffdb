"""Finding and installing the server and its add-ons."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyworker.local.apt import Apt, AptError
from pyworker.local.cluster import temporary_cluster
from pyworker.local.errors import LocalError
from pyworker.local.installation import Installation, chosen_installation, find_installation
from pyworker.local.packages import ADD_ONS, choose_version, ensure_packages, missing_add_ons

ALL_OF_15 = {f"postgresql-15{end}" for end in ("", "-cron", "-pgtap", "-plpgsql-check")}


class RecordingApt(Apt):
    """Offers what it is told to, and writes down what would be installed."""

    def __init__(self, offered: set[str], *, allowed: bool = True) -> None:
        super().__init__(print)
        self.offered = offered
        self.allowed = allowed
        self.installed: list[str] = []
        self.updates = 0

    def available(self) -> bool:
        return True

    def names(self, prefix: str) -> set[str]:
        return {name for name in self.offered if name.startswith(prefix)}

    def update_if_old(self, *, may_ask: bool) -> bool:
        self.updates += 1
        return may_ask

    def install(self, packages: list[str], *, may_ask: bool) -> None:
        if not self.allowed:
            raise AptError(f"needs root: {' '.join(packages)} (may ask: {may_ask})")
        self.installed += packages


def programs(folder: Path, version: str) -> Path:
    """Write stand-ins for the server's programs that tell their version."""
    folder.mkdir(parents=True)
    for name in ("initdb", "pg_ctl", "postgres"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return folder


def control_files(bin_folder: Path, *names: str) -> None:
    """Make extensions look installed next to stand-in programs."""
    extensions = bin_folder.parent / "share" / "extension"
    extensions.mkdir(parents=True, exist_ok=True)
    for name in names:
        (extensions / f"{name}.control").touch()


@pytest.fixture
def debian_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty stand-in for the folder of Debian's servers; nothing else is found."""
    monkeypatch.setattr("pyworker.local.installation.DEBIAN_FOLDER", tmp_path / "postgresql")
    monkeypatch.setenv("PATH", "/nowhere")
    return tmp_path / "postgresql"


def test_the_server_of_this_machine_is_found() -> None:
    """Its version is the one that the program itself tells."""
    found = find_installation()
    if found is None:
        pytest.skip("no PostgreSQL on this machine")
    assert found.version >= 15
    assert found.has_extension("plpgsql")
    assert not found.has_extension("no_such_extension")


def test_the_newest_server_is_found_and_old_ones_are_not(debian_folder: Path) -> None:
    """Versions compare as numbers, and 14 is too old."""
    programs(debian_folder / "14" / "bin", "14.9")
    assert find_installation() is None
    programs(debian_folder / "15" / "bin", "15.18 (Debian 15.18-0)")
    programs(debian_folder / "16" / "bin", "16.2")
    found = find_installation()
    assert found is not None
    assert found.version == 16


def test_a_server_with_pg_cron_is_preferred_to_a_newer_one(debian_folder: Path) -> None:
    """With pg_cron, the sweep needs no worker."""
    control_files(programs(debian_folder / "15" / "bin", "15.18"), "pg_cron")
    programs(debian_folder / "17" / "bin", "17.1")
    found = find_installation()
    assert found is not None
    assert found.version == 15


def test_existing_data_decides_the_version(debian_folder: Path) -> None:
    """A cluster made by 15 cannot be started by 16."""
    programs(debian_folder / "15" / "bin", "15.18")
    programs(debian_folder / "16" / "bin", "16.2")
    found = find_installation(version=15)
    assert found is not None
    assert found.version == 15
    assert find_installation(version=17) is None


@pytest.mark.usefixtures("debian_folder")
def test_postgres_bin_is_used_and_nothing_is_installed(tmp_path: Path) -> None:
    """What a person chose is not added to."""
    chosen = programs(tmp_path / "mine" / "bin", "18.1")
    apt = RecordingApt(ALL_OF_15)
    lines: list[str] = []
    found = ensure_packages(lines.append, postgres_bin=chosen, apt=apt)
    assert (found.programs, found.version) == (chosen, 18)
    assert apt.installed == []
    assert lines == ["PostgreSQL 18 has no pg_cron, pgtap, plpgsql_check: going on without"]


@pytest.mark.usefixtures("debian_folder")
def test_tests_and_measurements_use_the_server_in_postgres_bin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the whole suite can be run against each server of a machine."""
    chosen = programs(tmp_path / "mine" / "bin", "18.1")
    monkeypatch.setenv("POSTGRES_BIN", str(chosen))
    found = chosen_installation()
    assert found is not None
    assert (found.programs, found.version) == (chosen, 18)
    monkeypatch.setenv("POSTGRES_BIN", "/nowhere")
    with pytest.raises(LocalError, match="POSTGRES_BIN"), temporary_cluster():
        pass


def test_a_wrong_postgres_bin_is_one_clear_error(tmp_path: Path) -> None:
    """The message names the variable and the folder."""
    with pytest.raises(LocalError, match=f"POSTGRES_BIN: no PostgreSQL 15 or later in {tmp_path}"):
        ensure_packages(print, postgres_bin=tmp_path)


def test_nothing_is_asked_of_apt_when_everything_is_there(debian_folder: Path) -> None:
    """The second start is fast."""
    control_files(programs(debian_folder / "15" / "bin", "15.18"), *ADD_ONS)
    apt = RecordingApt(ALL_OF_15)
    found = ensure_packages(print, apt=apt)
    assert missing_add_ons(found) == []
    assert (apt.installed, apt.updates) == ([], 0)


def test_only_the_missing_add_ons_are_installed(debian_folder: Path) -> None:
    """A server that is there stays, and the lists of packages are not fetched for nothing."""
    control_files(programs(debian_folder / "15" / "bin", "15.18"), "pgtap")
    apt = RecordingApt(ALL_OF_15)
    ensure_packages(print, apt=apt)
    assert apt.installed == ["postgresql-15-cron", "postgresql-15-plpgsql-check"]
    assert apt.updates == 0


def test_add_ons_that_cannot_be_installed_are_only_reported(debian_folder: Path) -> None:
    """Any PostgreSQL from 15 on works without them."""
    programs(debian_folder / "15" / "bin", "15.18")
    apt = RecordingApt(ALL_OF_15, allowed=False)
    lines: list[str] = []
    assert ensure_packages(lines.append, apt=apt).version == 15
    assert "may ask: False" in lines[0]
    assert lines[-1] == "PostgreSQL 15 has no pg_cron, pgtap, plpgsql_check: going on without"


@pytest.mark.usefixtures("debian_folder")
def test_a_missing_server_is_installed_with_its_add_ons() -> None:
    """All in one call of apt."""
    apt = RecordingApt(ALL_OF_15)
    with pytest.raises(LocalError, match="PostgreSQL 15 or later was not found"):
        ensure_packages(print, apt=apt)  # this apt only pretends
    assert set(apt.installed) == ALL_OF_15


@pytest.mark.usefixtures("debian_folder")
def test_a_server_that_may_not_be_installed_is_an_error_that_says_what_to_do() -> None:
    """Without the server nothing works, so that a person may be asked for a password."""
    apt = RecordingApt(ALL_OF_15, allowed=False)
    with pytest.raises(LocalError, match=r"needs root: postgresql-15 .*may ask: True"):
        ensure_packages(print, apt=apt)


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        ({"postgresql-14", "postgresql-client-15", "postgresql-common"}, None),
        ({"postgresql-15", "postgresql-16"}, 16),
        ({*ALL_OF_15, "postgresql-17", "postgresql-17-cron"}, 15),
    ],
    ids=["none", "newest", "complete"],
)
def test_the_version_to_install_has_all_add_ons_if_any_has(
    offered: set[str], expected: int | None
) -> None:
    """Otherwise it is the newest."""
    assert choose_version(offered) == expected


def test_an_installation_tells_whether_apt_can_add_to_it() -> None:
    """Only what lies where Debian puts it."""
    assert Installation(Path("/usr/lib/postgresql/15/bin"), 15, Path("/x")).from_debian
    assert not Installation(Path("/opt/postgresql/bin"), 15, Path("/x")).from_debian
