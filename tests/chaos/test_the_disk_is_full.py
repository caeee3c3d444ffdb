"""The disk that the events are on is full: nothing can be put on record."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.chaos.conftest import Extent
from tests.chaos.world import World

REFUSE = """
    create function chaos.full() returns trigger language plpgsql as $$
    begin
        raise exception using errcode = 'disk_full', message = 'could not extend file';
    end $$;
    create trigger full_disk before insert on freshness.events
    for each statement execute function chaos.full();
"""
USE_UP = """
    insert into freshness.events (kind) select 'ignored' from generate_series(1, 100000)
"""
SIZE = "select pg_total_relation_size('freshness.events')"
ROOM = 2_000_000


def test_inserts_of_events_are_refused_as_by_a_full_disk(world: World, extent: Extent) -> None:
    """So nothing begins and nothing ends; then all goes on."""
    with world.scene("disk full, by a trigger") as counted:
        for _ in extent.times(1, share=0.02):
            world.ask(REFUSE)
            time.sleep(world.chance.uniform(1.5, 2.5))
            world.ask("drop trigger full_disk on freshness.events; drop function chaos.full()")
            counted["times"] += 1
            time.sleep(1)


@contextmanager
def _small_disk(world: World, folder: Path) -> Iterator[Path]:
    """Put the events on a file system of their own, where root may make one."""
    [[size]] = world.ask(SIZE)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size + ROOM},mode=777", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        space = folder / "space"
        space.mkdir()
        shutil.chown(space, world.cluster.data.owner(), world.cluster.data.group())
        world.superuser(f"create tablespace small location '{space}'")
        world.superuser("alter table freshness.events set tablespace small")
        yield folder
        world.superuser("alter table freshness.events set tablespace pg_default")
        world.superuser("drop tablespace small")
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def test_the_disk_of_the_events_is_full(world: World, extent: Extent) -> None:
    """A real file system without a free byte."""
    # Outside pytest's folders, which the server's account may not enter.
    folder = world.cluster.folder / "small"
    folder.mkdir()
    with _small_disk(world, folder), world.scene("disk full") as counted:
        for _ in extent.times(1, share=0.02):
            filler = folder / "filler"
            with filler.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(os.urandom(4096))
                except OSError:
                    counted["times"] += 1
            # The pages that have room yet; what is rolled back has taken it all the same.
            with pytest.raises(psycopg.errors.DiskFull):
                world.superuser(USE_UP)
            time.sleep(world.chance.uniform(1.5, 2.5))
            filler.unlink()
            time.sleep(1)
