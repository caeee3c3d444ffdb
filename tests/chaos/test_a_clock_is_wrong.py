"""A worker on a host with a wrong clock."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import pyworker
from tests.chaos.conftest import Extent
from tests.chaos.world import World

# Python imports a module of this name at its start: so the whole process sees another time.
SHIFTED = """
import time
real = time.time
time.time = lambda: real() + ({shift})
time.time_ns = lambda: int(time.time() * 1e9)
time.gmtime = lambda s=None, f=time.gmtime: f(time.time() if s is None else s)
"""
WALL_CLOCK = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")}


@contextmanager
def _clock_wrong(world: World, folder: Path, shift: int) -> Iterator[None]:
    (folder / "sitecustomize.py").write_text(SHIFTED.format(shift=shift))
    world.fleet.add("worker-wrong", world.url, PYTHONPATH=str(folder))
    try:
        yield
    finally:
        world.fleet.remove("worker-wrong")


@pytest.mark.parametrize("shift", [-86400, 86400], ids=["a day slow", "a day fast"])
def test_the_clock_of_one_host_is_wrong(
    world: World, extent: Extent, tmp_path: Path, shift: int
) -> None:
    """It works like the others: its rows are neither from tomorrow nor from yesterday."""
    with _clock_wrong(world, tmp_path, shift):
        time.sleep(1)
        with world.scene(f"clock wrong by {shift} s") as counted:
            others = [name for name in world.fleet.processes if name != "worker-wrong"]
            for _ in extent.times(1, share=0.02):
                # So that it has to do some of the work.
                world.fleet.kill(world.chance.choice(others))
                counted["kills"] += 1
                time.sleep(1)
                world.fleet.tend()
        [(ahead,)] = world.ask("select count(*) from chaos.quotes where fetched_at > now()")
    assert ahead == 0


def test_no_module_of_the_worker_asks_for_the_time_of_its_host() -> None:
    """But what is printed for people."""
    found = []
    package = Path(pyworker.__file__).parent
    for path in sorted([*package.glob("*.py"), *package.glob("queue/*.py")]):
        if path.stem == "monitor":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and (node.value.id, node.attr) in WALL_CLOCK
            ):
                found.append(f"{path.name}:{node.lineno}")
    assert found == []
