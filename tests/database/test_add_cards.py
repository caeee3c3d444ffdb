"""Cards as the endpoint asks for them: for a user whose token it has verified."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyworker.errors import CardsRefused, InvalidRequest
from pyworker.job import Key
from pyworker.queue.calls import Calls
from pyworker.queue.cards import CardQueue
from tests.fixtures.connections import Connection
from tests.fixtures.data_types import DataType


@pytest.fixture
def one_key_per_user(connection: Connection) -> Iterator[None]:
    """The lowest limit on the keys of a user."""
    connection.execute("update freshness.card_limits set keys_per_call = 1, keys_per_user = 1")
    yield
    connection.execute("update freshness.card_limits set keys_per_user = 500, keys_per_call = 50")


async def test_a_user_s_role_says_which_keys_it_may_ask_for(
    calls: Calls, connection: Connection, quotes: DataType
) -> None:
    """Not the role that the endpoint itself has."""
    key = Key(quotes.name, "AAPL")
    connection.execute(f"revoke select on {quotes.table} from anon")
    [allowed] = await CardQueue(calls).add_cards([key], "user:a", "authenticated", 60)
    [forbidden] = await CardQueue(calls).add_cards([key], "user:a", "anon")
    assert (allowed.status, forbidden.status) == ("queued", "forbidden")


@pytest.mark.usefixtures("one_key_per_user")
async def test_the_limit_is_an_error_that_says_when_to_try_again(
    calls: Calls, quotes: DataType
) -> None:
    """With the status and the word of an HTTP answer."""
    await CardQueue(calls).add_cards([Key(quotes.name, "A")], "user:a", "authenticated", 60)
    with pytest.raises(CardsRefused) as refused:
        await CardQueue(calls).add_cards([Key(quotes.name, "B")], "user:a", "authenticated", 60)
    assert (refused.value.status, refused.value.code) == (429, "TOO_MANY_WATCHED")
    assert 50 <= (refused.value.retry_after or 0) <= 60


async def test_what_makes_no_sense_is_refused_as_ever(calls: Calls, quotes: DataType) -> None:
    with pytest.raises(InvalidRequest):
        await CardQueue(calls).add_cards(
            [Key(quotes.name, "A")], "user:a", "authenticated", 100_000
        )
