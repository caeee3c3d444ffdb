"""What workers do; `choice` (0 to 9) says how."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.model import invariants
from tests.model.actors import Fetch, ModelWorker
from tests.model.observer import METERED, PLAIN, see
from tests.model.stage import Stage

CLAIM = "select data_type, symbol, fence from freshness.claim(%s, %s, %s)"
FAIL = """
    select outcome from freshness.fail(
        %s, %s, %s, 'no answer', p_permanent => %s,
        p_retry_at => case when %s then clock_timestamp() + interval '20 s' end, p_of_source => %s
    )
"""


def claim(stage: Stage, who: ModelWorker, choice: int) -> None:
    """Take what is due; now and then the answer is lost, and the worker says so."""
    seen = see(who.connection)
    rows = who.run(CLAIM, who.number, [PLAIN, METERED], 1 + choice % 4)
    for data_type, symbol, _ in rows or ():
        invariants.claimed_with_reason((data_type, symbol), seen[data_type, symbol], stage.living)
    step = stage.steps
    if choice < 9 or who.is_open:
        who.then(lambda: _take(stage, who, rows or [], step))
    elif rows is not None:
        known = [fetch.fence for fetch in who.fetches]
        renewed = who.run("select freshness.renew_worker(%s, %s)", who.number, known)
        if renewed is None:
            # What it does not know must not be kept by it.
            die(stage, who)
        else:
            [(who.number,)] = renewed


def _take(stage: Stage, who: ModelWorker, rows: list[Any], step: int) -> None:
    # Half of the calls come to the provider at once, the others as late as they can.
    moment = stage.moment()
    for data_type, symbol, fence in rows:
        is_early = fence % 2 == 0
        if is_early and data_type == METERED:
            stage.calls.append(moment)
        who.fetches.append(Fetch((data_type, symbol), fence, step, moment if is_early else None))


def finish(stage: Stage, who: ModelWorker, choice: int) -> None:
    """A fetch ends well: with rows, without any, "unchanged", or with rows of its own time."""
    if who.fetches:
        fetch = who.fetches[choice % len(who.fetches)]
        if finished(stage, who, fetch, choice) is not None:
            stage.came(fetch)
            # If it is rolled back nobody knows of it any more, as after a crash.
            who.fetches.remove(fetch)


def finish_late(stage: Stage, who: ModelWorker, choice: int) -> None:
    """One that was taken for dead, or has left, comes back with a result."""
    if stage.zombies and not who.is_open:
        fetch = stage.zombies.pop(choice % len(stage.zombies))
        finished(stage, who, fetch, choice)


def finished(stage: Stage, who: ModelWorker, fetch: Fetch, choice: int) -> bool | None:
    """Return whether the end was taken; None: put off."""
    seen = see(who.connection)[fetch.key]
    row = {"price": fetch.fence, "symbol": fetch.key[1]}
    old = row | {"fetched_at": f"{seen.started_at or 0:.6f}"}
    rows: Any = {0: None, 1: [], 2: [old]}.get(choice, [row])
    answer = None
    try:
        if choice == 2:
            [[old["fetched_at"]]] = who.run(
                "select (to_timestamp(%s) - interval '30 s')::text", seen.started_at or 0
            ) or [[None]]
        answer = who.run(
            "select outcome from freshness.finish(%s, %s, %s, %s)",
            *(*fetch.key, fetch.fence, None if rows is None else Jsonb(rows)),
        )
    except psycopg.DatabaseError as error:
        code = error.sqlstate
    else:
        code = None
    if code is not None:
        assert code in {"FR003", "FR006"}, f"{code}: {seen}"
        assert (code == "FR003") == (seen.fence != fetch.fence), f"{code}: {seen}"
        return False if code == "FR003" else None
    if answer is None:
        return None
    assert seen.fence == fetch.fence, f"a lost fence has finished: {seen}"
    who.then(lambda: _noted(stage, fetch))
    return True


def _noted(stage: Stage, fetch: Fetch) -> None:
    stage.written.add(fetch.fence)
    if stage.outstanding.get(fetch.key, stage.steps + 1) < fetch.step:
        del stage.outstanding[fetch.key]


def fail(stage: Stage, who: ModelWorker, choice: int) -> None:
    """A fetch fails: for now, for good, or until a moment that the source names."""
    if who.fetches:
        fetch = who.fetches[choice % len(who.fetches)]
        answer = who.run(FAIL, *fetch.key, fetch.fence, choice == 0, choice == 1, choice == 2)
        if answer is not None:
            stage.came(fetch)
            who.fetches.remove(fetch)
            after = see(who.connection)[fetch.key]
            spins = answer and (after.not_before or 0) <= after.now
            assert not spins, f"{fetch.key} is tried again at once: {after}"


AGED = """
with begun as (
    update freshness.jobs set started_at = started_at - interval '1 minute'
    where fence in (
        select fence from freshness.jobs where state = 'running' and worker = %s
        for update skip locked
    )
)

update freshness.workers set seen_at = seen_at - interval '1 minute' where id = %s
"""

GONE = """
delete from freshness.workers as w
where w.id = %s and exists (
    select from freshness.jobs as j
    where j.worker = w.id and j.state = 'running'
        and j.started_at > clock_timestamp() - interval '30 seconds'
)
"""


def die(stage: Stage, who: ModelWorker, _choice: int = 0) -> None:
    """A worker is killed; a minute later nobody has heard of it, and another one starts."""
    who.end(commits=False)
    _forget(stage, who)
    # Only others can hold its row, and each waits for nobody for long.
    stage.observer.execute(AGED, [who.number, who.number])
    # A job that somebody holds cannot be aged: whoever is not on the list is dead as well.
    stage.observer.execute(GONE, [who.number])
    who.announce()


def leave(stage: Stage, who: ModelWorker, _choice: int) -> None:
    """A worker hands back what it runs, and another one starts."""
    if not who.is_open and who.run("select freshness.dismiss_worker(%s)", who.number):
        _forget(stage, who)
        who.announce()


def _forget(stage: Stage, who: ModelWorker) -> None:
    for fetch in who.fetches:
        stage.came(fetch)
    stage.zombies += who.fetches
    who.fetches = []
