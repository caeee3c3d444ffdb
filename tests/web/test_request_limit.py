"""A user's requests are counted over any minute, and users are forgotten."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyworker.settings import Settings
from pyworker.web.problems import ProblemError
from pyworker.web.request_limit import MINUTE, RequestLimit
from tests.web.fake_queue import FakeQueue, application_on

PATH = "/functions/v1/on-card-add"
CARD = {"symbol": "AAPL", "dataTypes": ["quote"]}


class Clock:
    """A clock that stands until it is told to go."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def limited(
    make_settings: Callable[..., Settings], make_token: Callable[..., str]
) -> httpx.AsyncClient:
    """A client of an application that takes two requests a minute."""
    application = application_on(FakeQueue(), make_settings(requests_per_minute=2))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(application),
        base_url="http://endpoint",
        headers={"Authorization": f"Bearer {make_token(sub='ann')}"},
    )


async def test_too_many_requests_are_refused_with_the_time_to_wait(
    limited: httpx.AsyncClient, make_token: Callable[..., str]
) -> None:
    """Of this user; others and the service role go on."""
    answers = [await limited.post(PATH, json=CARD) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {
        "message": "You made 2 requests in a minute; no more are allowed.",
        "code": "TOO_MANY_REQUESTS",
    }
    assert 59 <= int(answers[2].headers["Retry-After"]) <= 60
    for token in (
        make_token(sub="bob"),
        *[make_token(sub=None, role="service_role")] * 3,
    ):
        answer = await limited.post(PATH, json=CARD, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200


def test_whoever_keeps_to_the_time_gets_through() -> None:
    clock = Clock()
    limit = RequestLimit(2, clock)
    limit.check("ann")
    clock.now += 20
    limit.check("ann")
    for _ in range(5):
        with pytest.raises(ProblemError) as refused:
            limit.check("ann")
        assert refused.value.headers == {"Retry-After": "40"}
    clock.now += 40
    limit.check("ann")


def test_users_are_forgotten_after_a_minute() -> None:
    """Memory holds those of the last minute."""
    clock = Clock()
    limit = RequestLimit(2, clock)
    for number in range(1000):
        limit.check(f"user {number}")
    clock.now += MINUTE
    limit.check("ann")
    assert len(limit) == 1


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from("ab")), max_size=60))
def test_no_minute_has_more(pauses: list[tuple[float, str]]) -> None:
    """However they come."""
    clock = Clock()
    limit = RequestLimit(3, clock)
    taken: dict[str, list[float]] = {"a": [], "b": []}
    for pause, user in pauses:
        clock.now += pause
        within = [moment for moment in taken[user] if moment > clock.now - MINUTE]
        try:
            limit.check(user)
        except ProblemError:
            assert len(within) == 3
        else:
            assert len(within) < 3
            taken[user].append(clock.now)
