"""What clients, operators and writers of data do; `choice` (0 to 9) says how."""

from __future__ import annotations

from tests.model.actors import Actor
from tests.model.handing import note_handed
from tests.model.observer import Key, see
from tests.model.stage import Stage

WATCH = "select freshness.watch(array[%s], array[%s], 'card', make_interval(secs => %s))"
WRITE = """
    insert into model.{} values (%s, -1, clock_timestamp() - make_interval(secs => %s))
    on conflict (symbol) do update set price = excluded.price, fetched_at = excluded.fetched_at
"""


def watch(stage: Stage, who: Actor, key: Key, choice: int) -> None:
    """A card is added."""
    before = see(who.connection)[key]
    if who.run(WATCH, *key, [80000, 80000, 30, 4][choice % 4]) is not None:
        note_handed(stage, who, key, before)


def unwatch(_stage: Stage, who: Actor, key: Key, _choice: int) -> None:
    """It is taken away."""
    who.run("select freshness.unwatch(array[%s], array[%s], 'card')", *key)


def retry(_stage: Stage, who: Actor, key: Key, _choice: int) -> None:
    """An operator releases it."""
    who.run("select freshness.retry(%s, %s)", *key)


def write(stage: Stage, who: Actor, key: Key, choice: int) -> None:
    """Somebody else writes a row, newer or older than what is there."""
    age = [0, 1, 20, 50, 70][choice % 5]
    if who.run(WRITE.format(key[0]), key[1], age) is not None:
        who.then(lambda: stage.changed.add(key))


def delete(stage: Stage, who: Actor, key: Key, _choice: int) -> None:
    """Somebody deletes a row."""
    if who.run(f"delete from model.{key[0]} where symbol = %s", key[1]) is not None:
        who.then(lambda: stage.changed.add(key))
