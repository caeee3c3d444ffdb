"""Cards, which take leases on keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg.rows import class_row

from pyworker.errors import CardsRefused, DatabaseUnavailable
from pyworker.job import Key, KeyState
from pyworker.queue.calls import Calls
from pyworker.queue.columns import key_columns


class CardQueue:
    """What takes cards, and says how their keys are."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def add_cards(
        self, keys: Iterable[Key], watcher: str, role: str, lease: float | None = None
    ) -> list[KeyState]:
        """Watch the keys of cards, within the limits of cards, for a user who was verified.

        Keys whose table `role` may not select have the status forbidden. `lease` in seconds;
        None: as freshness.card_limits says.

        Raises:
            CardsRefused: the user would watch too many keys.
        """
        parameters = (*key_columns(keys), watcher, role, lease)
        try:
            return await self._add_cards(parameters)
        except DatabaseUnavailable as error:
            # Of a connection that was lost one learns by using it. Twice is as good as once.
            if not await self._calls.replaces_lost(error):
                raise
            return await self._add_cards(parameters)

    async def _add_cards(self, parameters: Sequence[Any]) -> list[KeyState]:
        try:
            return await self._calls.rows(
                "select * from freshness.add_cards(%s, %s, %s, %s, make_interval(secs => %s))",
                parameters,
                class_row(KeyState),
            )
        except psycopg.DatabaseError as error:
            if error.sqlstate != "PGRST":
                raise
            # As PostgREST is told what to answer; see freshness.refuse_call.
            body = json.loads(error.diag.message_primary or "")
            raise CardsRefused.told(body["code"], body["message"], body["details"]) from error

    async def key_states(self, keys: Iterable[Key]) -> list[KeyState]:
        """Return the states of keys in the order asked, and write nothing."""
        return await self._calls.rows(
            "select * from freshness.key_states(%s, %s)", key_columns(keys), class_row(KeyState)
        )
