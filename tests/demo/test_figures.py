"""The figures, from stamps as they could have been recorded."""

from __future__ import annotations

import pytest

from pyworker.demo.freshness_share import fresh_share, union
from pyworker.demo.history import Event, History, Interest, Way
from pyworker.demo.pickup import measure_pickups, percentile
from pyworker.demo.report import figures, overlapping_refreshes, shortcoming
from pyworker.job import Key

AAPL, IBM = Key("demo_quote", "AAPL"), Key("demo_quote", "IBM")
TTLS = {"demo_quote": 5.0}


def refresh(fence: int, key: Key, began: float, ended: float, kind: str = "fresh") -> list[Event]:
    return [
        Event(2 * fence, began, "refreshing", key, fence, None, None),
        Event(2 * fence + 1, ended, kind, key, fence, ended - began, None),
    ]


def history(
    interests: list[tuple[Key, Way, float, bool, float | None]],
    refreshes: list[list[Event]],
    starts: list[tuple[Key, float]],
) -> History:
    made = History(interests=[Interest(*interest) for interest in interests])
    for events in refreshes:
        made.add_events(events)
    for key, at in starts:
        made.add_start(key, at)
    made.calls = len(starts)
    return made


def test_a_pickup_runs_from_the_interest_to_the_start_of_the_fetch() -> None:
    recorded = history(
        [(AAPL, "card", 10.0, True, None), (IBM, "subscription", 11.0, True, None)],
        [refresh(1, AAPL, 10.003, 10.1), refresh(2, IBM, 11.004, 11.1)],
        [(AAPL, 10.005), (IBM, 11.010)],
    )
    pickups = measure_pickups(recorded, TTLS, 14)
    assert pickups.by_card == pytest.approx([5])
    assert pickups.by_subscription == pytest.approx([10])
    assert pickups.unanswered == 0


def test_a_fetch_that_an_interest_hands_over_is_its_own() -> None:
    """It counts as begun before the commit, and starts after it."""
    recorded = history(
        [(AAPL, "card", 10.0, True, None)], [refresh(1, AAPL, 9.998, 10.1)], [(AAPL, 10.001)]
    )
    pickups = measure_pickups(recorded, TTLS, 14)
    assert pickups.by_card == pytest.approx([1])
    assert pickups.unanswered == 0


@pytest.mark.parametrize(
    ("at", "first"),
    [
        pytest.param(12.0, True, id="the data is fresh"),
        pytest.param(10.05, True, id="a fetch is under way"),
        pytest.param(15.01, True, id="it goes stale at this moment"),
        pytest.param(20.0, False, id="somebody watches already"),
    ],
)
def test_interests_that_need_no_fetch_do_not_count(at: float, first: bool) -> None:
    recorded = history(
        [(AAPL, "card", at, first, None)], [refresh(1, AAPL, 10, 10.1)], [(AAPL, 10.002)]
    )
    recorded.add_start(AAPL, at + 0.004)
    pickups = measure_pickups(recorded, TTLS, 30)
    assert (pickups.milliseconds, pickups.unanswered) == ([], 0)


def test_stale_data_counts_again() -> None:
    recorded = history(
        [(AAPL, "card", 20.0, True, None)],
        [refresh(1, AAPL, 10, 10.1), refresh(2, AAPL, 20.002, 20.1)],
        [(AAPL, 10.002), (AAPL, 20.004)],
    )
    assert measure_pickups(recorded, TTLS, 30).milliseconds == pytest.approx([4])


def test_a_backoff_is_no_slow_pickup() -> None:
    recorded = history(
        [(AAPL, "card", 10.5, True, None)],
        [refresh(1, AAPL, 10, 10.1, "failed"), refresh(2, AAPL, 11.1, 11.2)],
        [(AAPL, 10.002), (AAPL, 11.102)],
    )
    assert measure_pickups(recorded, TTLS, 30).milliseconds == []


def test_an_interest_without_a_fetch_is_unanswered_unless_it_left_soon() -> None:
    recorded = history(
        [(AAPL, "card", 10.0, True, None), (IBM, "subscription", 10.0, True, 11.0)], [], []
    )
    assert measure_pickups(recorded, TTLS, 20).unanswered == 1
    assert measure_pickups(recorded, TTLS, 11).unanswered == 0


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([7.0, 3.0], 0.99) == 7
    assert percentile([3.0], 0.5) == 3
    assert percentile([], 0.5) is None


def test_events_may_come_twice_and_out_of_order() -> None:
    start, end = refresh(1, AAPL, 10, 10.1)
    recorded = History()
    for event in (end, start, end):
        recorded.add_events([event])
    (found,) = recorded.refreshes.values()
    assert found.began == pytest.approx(10)
    assert (found.ended, found.kind) == (10.1, "fresh")
    assert recorded.last_event == end.id


def test_refreshes_of_one_key_at_once_are_duplicates() -> None:
    apart = [refresh(1, AAPL, 10, 10.1), refresh(2, AAPL, 10.1, 10.2), refresh(3, IBM, 10, 10.3)]
    assert overlapping_refreshes(history([], apart, [])) == 0
    recorded = history([], [*apart, refresh(4, AAPL, 10.15, 10.4)], [])
    assert overlapping_refreshes(recorded) == 1
    assert figures(recorded, TTLS, 0, 20, duplicate_rows=2)["duplicate_jobs"] == 3


def test_the_fresh_share_is_that_of_the_time_that_somebody_watched() -> None:
    recorded = history(
        # Two at once count once: watched from 10 to 20.
        [(AAPL, "card", 10, True, 16), (AAPL, "subscription", 12, False, None)],
        [refresh(1, AAPL, 10, 11), refresh(2, AAPL, 15, 16), refresh(3, AAPL, 17, 18, "failed")],
        [],
    )
    # Fresh from 11 to 15 and from 16 to 20.
    assert fresh_share(recorded, TTLS, 20) == pytest.approx(0.8)
    assert fresh_share(History(), TTLS, 20) is None


def test_spans_that_touch_are_joined() -> None:
    assert union([(3, 4), (1, 2), (2, 3), (6, 5)]) == [(1, 4)]


def test_all_figures_are_there_when_nothing_happened() -> None:
    result = figures(History(), TTLS, 0, 20)
    assert result["cards"] == result["refreshes"] == result["duplicate_jobs"] == 0
    assert result["pickup_ms_p50"] is result["fresh_share"] is None
    assert shortcoming(History(), result, {}) == "nobody watched anything"


def test_the_shortcoming_names_what_is_not_fresh() -> None:
    interests: list[tuple[Key, Way, float, bool, float | None]] = [
        (AAPL, "card", 10.0, True, None),
        (IBM, "card", 10.0, True, None),
    ]
    starts = [(AAPL, 10.005), (IBM, 10.005)]
    recorded = history(interests, [refresh(1, AAPL, 10.003, 10.1)], starts)
    result = figures(recorded, TTLS, 0, 20)
    assert shortcoming(recorded, result, {AAPL: True}) == "never refreshed: demo_quote IBM"
    recorded.add_events(refresh(2, IBM, 10.003, 10.1))
    result = figures(recorded, TTLS, 0, 20)
    assert shortcoming(recorded, result, {IBM: False}) == "not fresh at the end: demo_quote IBM"
    assert shortcoming(recorded, result, {AAPL: True, IBM: True}) is None
