"""What holds of everything that is committed, after each step of whoever it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.model.observer import CALLS_PER_MINUTE, IN_FLIGHT, METERED, Key, Seen

# A statement that a lock is waited for in takes up to this long (s).
SLACK = 1.0
HEARTBEAT_LIMIT = 15.0

State = Mapping[Key, Seen]


def no_watched_key_is_forgotten(state: State) -> None:
    """It has a job that waits for no later moment than its data calls for, or a pull."""
    for key, seen in state.items():
        if not seen.watches or seen.has_pull or seen.state == "running":
            continue
        assert seen.state is not None, f"{key} is watched and has neither job nor pull"
        assert seen.run_at is not None
        due_at = max(seen.refresh_at or 0, seen.now) + SLACK
        assert seen.run_at <= due_at, f"{key} sleeps past its deadline: {seen}"


def no_request_is_lost(state: State, outstanding: Iterable[Key]) -> None:
    """As long as no fetch that began after "refresh now" has succeeded, it is on record."""
    for key in outstanding:
        assert state[key].required_as_of is not None, f"refresh now of {key} is lost: {state[key]}"


def only_holders_of_a_fence_have_written(state: State, written: set[int]) -> None:
    """A price is the fence of its fetch; what others write has prices below zero."""
    for key, seen in state.items():
        is_known = seen.price is None or seen.price < 0 or seen.price in written
        assert is_known, f"{key} has the row of a fetch that did not end well: {seen}"


def no_data_went_back(before: State, after: State, changed: set[Key]) -> None:
    """But where somebody else has written or deleted rows."""
    for key, seen in after.items():
        earlier = before[key].fetched_at
        if key in changed or earlier is None:
            continue
        is_newer = seen.fetched_at is not None and seen.fetched_at >= earlier
        assert is_newer, f"{key} went back from {earlier}: {seen}"


def claimed_with_reason(key: Key, seen: Seen, living: set[int]) -> None:
    """A fetch is for somebody, and for data that is stale, or asked for in spite of that."""
    assert seen.is_wanted, f"{key} is fetched for nobody: {seen}"
    is_asked_for = seen.required_as_of is not None
    assert is_asked_for or not seen.is_fresh, f"{key} is fetched though it is fresh: {seen}"
    assert (seen.not_before or 0) <= seen.now + SLACK, f"{key} is fetched too early: {seen}"
    if seen.state == "running":
        assert seen.worker not in living, f"{key} is fetched twice at once: {seen}"


def the_budget_is_kept(state: State, calls: list[float]) -> None:
    """As the provider counts: in any sixty seconds, and at once."""
    moments = sorted(calls)
    for last, first in zip(moments[CALLS_PER_MINUTE:], moments, strict=False):
        assert last - first >= 60, f"{CALLS_PER_MINUTE + 1} calls in {last - first:.3f} s"
    running = [key for key, seen in state.items() if seen.state == "running" and key[0] == METERED]
    assert len(running) <= IN_FLIGHT, f"{running} run at once"


def who_is_gone_will_be_missed(state: State, living: set[int], missed_at: float | None) -> None:
    """No job runs for a worker that is dead, or has left, without anybody noticing in time."""
    for key, seen in state.items():
        if seen.state == "running" and seen.worker not in living:
            is_seen = missed_at is not None and missed_at <= seen.now + HEARTBEAT_LIMIT + SLACK
            assert is_seen, f"{key} runs for nobody, until {missed_at}: {seen}"
