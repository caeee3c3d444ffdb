"""Any steps of anybody, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.fixtures.connections import Connection
from tests.model import handing, others, workers
from tests.model.actors import Actor, Fetch, ModelWorker
from tests.model.observer import KEYS, METERED, PLAIN, Key, see
from tests.model.stage import Stage

OF_WORKERS: dict[str, Callable[[Stage, ModelWorker, int], None]] = {
    "claim": workers.claim,
    "finish": workers.finish,
    "fail": workers.fail,
    "finish late": workers.finish_late,
    "die": workers.die,
    "leave": workers.leave,
    "sleep": handing.sleep,
    "fill": handing.fill,
    "hear": handing.hear,
    "lose": handing.lose,
}
OF_OTHERS: dict[str, Callable[[Stage, Actor, Key, int], None]] = {
    "watch": others.watch,
    "unwatch": others.unwatch,
    "request": handing.ask,
    "retry": others.retry,
    "write": others.write,
    "delete": others.delete,
}
OFTEN = ["claim"] * 5 + ["finish"] * 5 + ["watch"] * 2 + ["request"] * 3 + ["write"] * 2
OFTEN += ["sleep"] * 6 + ["request"] * 4 + ["hear"] * 6
TRANSACTIONS = ["begin", "commit", "commit", "roll back"]
STEPS = st.sampled_from(
    [*OFTEN, *OF_WORKERS, *OF_OTHERS, *TRANSACTIONS, "kill", "sweep", "time passes", "time passes"]
)


class Freshness(RuleBasedStateMachine):
    """What the functions do, against the little that a model has to know."""

    url: str
    superuser_url: str
    opened: list[Connection]
    handed: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(self.url, self.superuser_url, self.opened)
        for key in KEYS[::2]:
            others.watch(self.stage, self.stage.others[0], key, 0)

    # One rule for all: with one for each, most runs leave some out altogether.
    @rule(what=STEPS, actor=st.integers(0, 5), key=st.sampled_from(KEYS), choice=st.integers(0, 9))
    def step(self, what: str, actor: int, key: Key, choice: int) -> None:
        """Somebody does something; then all that is committed is looked at."""
        stage = self.stage
        if what in OF_WORKERS:
            OF_WORKERS[what](stage, self.worker(what, actor), choice)
        elif what in OF_OTHERS:
            OF_OTHERS[what](stage, self.other(actor), self.key(what, key, choice), choice)
        elif what == "begin":
            stage.actors[actor].begin()
        elif what in TRANSACTIONS:
            stage.actors[actor].end(commits=what == "commit")
        elif what == "kill":
            handing.kill(stage, self.other(actor))
        elif what == "sweep":
            stage.sweep()
        else:
            stage.let_pass([1, 5, 15, 61][choice % 4])
        stage.check()

    def worker(self, what: str, number: int) -> ModelWorker:
        """That worker; to end a fetch or to hear, one that has any to."""
        able = self.stage.workers
        if what in ("finish", "fail"):
            able = [worker for worker in able if worker.fetches] or able
        elif what == "hear":
            able = [worker for worker in able if self.stage.is_handed_something(worker)] or able
        return able[number % len(able)]

    def other(self, number: int) -> Actor:
        """That one; every other time, one whose transaction is open."""
        able = self.stage.others
        if number % 2:
            able = [other for other in able if other.is_open] or able
        return able[number % len(able)]

    def key(self, what: str, key: Key, choice: int) -> Key:
        """That one; mostly, to ask for, one that can be handed over."""
        at_rest = [
            each for each in KEYS[: KEYS.index(key) + 1] if self.stage.is_plain_at_rest(each)
        ]
        return at_rest[-1] if what == "request" and choice % 3 and at_rest else key

    def teardown(self) -> None:
        """When nothing more happens, everything that is watched becomes fresh."""
        stage = self.stage
        for number, actor in enumerate(stage.actors):
            actor.end(commits=number % 2 == 0)
        self.handed["handed over"] += len(stage.handed)
        self.handed["begun"] += len(stage.began)
        for worker in stage.workers:
            workers.die(stage, worker)
        stage.check()
        stage.sweep()
        who = stage.workers[0]
        # Longer than anything holds a key back, and shorter than a lease.
        for _ in range(4):
            stage.let_pass(7200)
            who.announce()
            while rows := who.run(workers.CLAIM, who.number, [PLAIN, METERED], 100):
                for data_type, symbol, fence in rows:
                    fetch = Fetch((data_type, symbol), fence, stage.steps, 0.0)
                    assert workers.finished(stage, who, fetch, 9)
        assert not stage.outstanding, f"never fetched: {stage.outstanding}"
        for key, seen in see(stage.observer).items():
            assert not seen.watches or seen.is_fresh, f"{key} does not become fresh: {seen}"
            assert not seen.watches or seen.state == "scheduled", f"{key}: {seen}"
