"""Handing over: who sleeps, hears, hears late or never, and what becomes of those who write."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from tests.model import invariants
from tests.model.actors import Actor, Fetch, Handed, ModelWorker
from tests.model.observer import METERED, PLAIN, Key, Seen, see
from tests.model.stage import Stage
from tests.model.workers import claim, die, finish

MARK = "all before this was heard"
LONGEST_WAY = 1.0
ASK = "select freshness.request(%s, array[%s], %s)"
HAND_BACK = "select freshness.hand_back(%s, %s)"


def sleep(stage: Stage, who: ModelWorker, choice: int) -> None:
    """A worker ends what it runs, mostly, takes what is due, and sleeps until plain keys are."""
    if who.is_open:
        return
    for _ in range(2):
        claim(stage, who, 3)
        for _ in list(who.fetches) if choice else ():
            finish(stage, who, 9)
    if who.arm([PLAIN]) is not None:
        who.is_full = False


def fill(_stage: Stage, who: ModelWorker, _choice: int) -> None:
    """It has no slot any more, and is taken off the sleepers; what it hears then goes back."""
    if who.run("select freshness.disarm(%s)", who.channel) is not None:
        who.is_full = True


def hear(stage: Stage, who: ModelWorker, choice: int) -> None:
    """It hears what was notified since it last did: it begins, or hands back."""
    for payload in _heard(who):
        if payload.startswith("{"):
            who.inbox.append(json.loads(payload))
    for given in list(who.inbox):
        # Now and then it is in doubt about its id.
        if (
            given["worker"] == who.number
            and not who.is_full
            and choice
            and _is_recent(stage, given)
        ):
            who.inbox.remove(given)
            _begin(stage, who, given, tells=choice % 2 == 0)
        elif who.run(HAND_BACK, given["worker"], [given["fence"]]) is not None:
            who.then(partial(_forget, who, given))


def lose(stage: Stage, who: ModelWorker, _choice: int) -> None:
    """Its listening connection is lost with all that was under way: it goes on under a new id."""
    if who.is_open:
        return
    _heard(who)
    who.inbox.clear()
    known = [fetch.fence for fetch in who.fetches]
    renewed = who.run("select freshness.renew_worker(%s, %s)", who.number, known)
    if renewed is None:
        die(stage, who)
    else:
        [(who.number,)] = renewed


def ask(stage: Stage, who: Actor, key: Key, choice: int) -> None:
    """Somebody asks for a key: to be fresh, or to be fetched anew."""
    now, step = choice < 6, stage.steps
    before = see(who.connection)[key]
    if who.run(ASK, *key, now) is None:
        return
    note_handed(stage, who, key, before)
    if now:
        who.then(lambda: stage.outstanding.update({key: step}))


def note_handed(stage: Stage, who: Actor, key: Key, before: Seen) -> None:
    """If a statement has just handed the job over: it had a reason, and is not forgotten."""
    after = see(who.connection)[key]
    if after.fence is None or after.fence == before.fence:
        return
    assert key[0] != METERED, f"{key} has a budget: {after}"
    assert before.state in (None, "scheduled"), f"{key} was handed over: {before}"
    invariants.claimed_with_reason(key, after, set())
    assert after.fence not in stage.handed, f"{key} was handed over twice: {after}"
    # Later than this step, and earlier than the next.
    stage.handed[after.fence] = Handed(after.worker or 0, stage.steps + 0.5, stage.passed)


def kill(stage: Stage, who: Actor) -> None:
    """The backend of somebody dies, with whatever it had not yet committed."""
    stage.observer.execute(
        "select pg_terminate_backend(%s, 5000)", [who.connection.info.backend_pid]
    )
    who.is_open, who.effects = False, []
    stage.reconnect(who)


def _forget(who: ModelWorker, given: dict[str, Any]) -> None:
    if given in who.inbox:
        who.inbox.remove(given)


def _heard(who: ModelWorker) -> list[str]:
    who.listening.execute("select pg_notify(%s, %s)", [who.channel, MARK])
    payloads = []
    for notification in who.listening.notifies(timeout=10):
        if notification.payload == MARK:
            break
        payloads.append(notification.payload)
    return payloads


def _is_recent(stage: Stage, given: dict[str, Any]) -> bool:
    [age] = stage.observer.execute(
        "select extract(epoch from clock_timestamp() - %s::timestamptz)::float8",
        [given["started_at"]],
    ).fetchone() or (0.0,)
    return bool(age + stage.passed - stage.handed[given["fence"]].passed <= LONGEST_WAY)


def _begin(stage: Stage, who: ModelWorker, given: dict[str, Any], *, tells: bool) -> None:
    key, fence = (given["data_type"], given["symbol"]), given["fence"]
    seen = see(stage.observer)[key]
    is_ours = (seen.state, seen.worker, seen.fence) == ("running", who.number, fence)
    assert is_ours, f"worker {who.number} begins with {fence} of {key}, which is another's: {seen}"
    who.fetches.append(Fetch(key, fence, stage.handed[fence].step, None))
    stage.began.append(fence)
    assert len(set(stage.began)) == len(stage.began), f"{key} began twice: {given}"
    if tells:
        who.run("select freshness.taken_up(%s, %s)", who.number, [PLAIN, METERED])
