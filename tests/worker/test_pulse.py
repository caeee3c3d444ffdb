"""A worker knows by its own stopwatch when others may have taken over what it claimed."""

from __future__ import annotations

from pyworker.pulse import Pulse


def test_what_was_claimed_just_now_is_ours() -> None:
    pulse = Pulse(15)
    pulse.beat(100)
    assert pulse.has_lasted(100, 115)


def test_without_a_heartbeat_for_longer_than_the_limit_it_may_be_lost() -> None:
    pulse = Pulse(15)
    pulse.beat(100)
    assert not pulse.has_lasted(100, 115.1)


def test_it_stays_lost_when_the_heart_beats_again() -> None:
    """The next claim's jobs are ours again."""
    pulse = Pulse(15)
    for moment in (100, 114, 130):
        pulse.beat(moment)
    assert not pulse.has_lasted(114, 131)
    assert pulse.has_lasted(130, 131)


def test_an_answer_that_overtakes_another_changes_nothing() -> None:
    pulse = Pulse(15)
    for moment in (100, 114, 113):
        pulse.beat(moment)
    assert pulse.has_lasted(100, 128)
