"""Viewers: they take an interest in keys, by a card or by a subscription, and leave again."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid1, uuid4

import httpx
import jwt
from psycopg import sql

from pyworker.demo.data_types import DATA_TYPES
from pyworker.demo.errors import DemoError
from pyworker.demo.history import History, Interest, Way
from pyworker.local.realtime import realtime_subscribe, realtime_unsubscribe

if TYPE_CHECKING:
    import psycopg

    from pyworker.demo.session import Session
    from pyworker.job import Key

TOKEN_SECONDS = 60
ON_CARD_ADD = "/functions/v1/on-card-add"


@dataclass(frozen=True, slots=True)
class Viewer:
    """One person who looks at keys; `subscription` is the id of theirs, if that is the way."""

    user: str
    subscription: UUID | None
    way: Way
    interests: tuple[Interest, ...]


class Viewers:
    """Lets viewers come and go, and records when.

    Args:
        endpoint: a client of the endpoint.
        jwt_secret: what tokens are signed with.
        realtime: a session as the Realtime server has it.
        owner: a session of the database's owner.
        clock_offset: by how many seconds the database's clock is ahead of ours.
        history: receives the interests.
    """

    def __init__(
        self,
        *,
        endpoint: httpx.AsyncClient,
        jwt_secret: str,
        realtime: Session,
        owner: Session,
        clock_offset: float,
        history: History,
    ) -> None:
        self._endpoint = endpoint
        self._jwt_secret = jwt_secret
        self._realtime = realtime
        self._owner = owner
        self._clock_offset = clock_offset
        self._history = history
        self._present: list[Viewer] = []
        self.watching: Counter[Key] = Counter()

    async def subscribe(self, key: Key) -> Viewer:
        """Insert a subscription to a key's rows, as the Realtime server does.

        Raises:
            psycopg.Error: the database refuses it.
        """
        user, subscription = str(uuid4()), uuid1()

        def insert(connection: psycopg.Connection[Any]) -> float:
            with connection.transaction():
                realtime_subscribe(
                    connection,
                    subscription_id=subscription,
                    table=DATA_TYPES[key.data_type].table,
                    filters=[("symbol", "eq", key.symbol)],
                    claims=self._claims(user),
                )
                return time()  # the commit comes next

        first = self._arrive([key])
        try:
            sent = await self._realtime.call(insert)
            committed = await self._committed_at("subscription_id", subscription) or sent
        except BaseException:
            self.watching[key] -= 1
            raise
        interests = (Interest(key, "subscription", committed, first[0]),)
        return self._record(Viewer(user, subscription, "subscription", interests))

    async def add_card(self, keys: list[Key]) -> Viewer:
        """Ask the endpoint for the data types of one symbol.

        Raises:
            DemoError: the endpoint refuses, or does not answer.
        """
        user = str(uuid4())
        first = self._arrive(keys)
        sent = time()
        try:
            await self._post(user, keys)
            committed = await self._committed_at("watcher", f"user:{user}") or sent
        except BaseException:
            self.watching.subtract(keys)
            raise
        interests = tuple(
            Interest(key, "card", committed, is_first)
            for key, is_first in zip(keys, first, strict=True)
        )
        return self._record(Viewer(user, None, "card", interests))

    async def leave(self, viewer: Viewer) -> None:
        """End a viewer's interests."""
        keys = [interest.key for interest in viewer.interests]
        if viewer.subscription is not None:
            subscriptions = [viewer.subscription]
            await self._realtime.call(lambda c: realtime_unsubscribe(c, subscriptions))
        else:
            names = [key.data_type for key in keys], [key.symbol for key in keys]
            await self._owner.call(
                lambda c: c.execute(
                    "select freshness.unwatch(%s, %s, %s)", [*names, f"user:{viewer.user}"]
                )
            )
        self._present.remove(viewer)
        self.watching.subtract(keys)
        for interest in viewer.interests:
            interest.left = time()

    async def leave_all(self) -> None:
        """End everybody's interests."""
        for viewer in list(self._present):
            await self.leave(viewer)

    async def keep_leases(self, every: float) -> None:
        """Renew the leases of all cards every so many seconds, as pages do that show them."""
        while True:
            await asyncio.sleep(every)
            for viewer in [viewer for viewer in self._present if viewer.way == "card"]:
                # The endpoint refuses while the database is away; the next renewal comes soon.
                with suppress(DemoError):
                    await self._post(viewer.user, [interest.key for interest in viewer.interests])

    def _arrive(self, keys: list[Key]) -> list[bool]:
        first = [self.watching[key] == 0 for key in keys]
        self.watching.update(keys)
        return first

    def _record(self, viewer: Viewer) -> Viewer:
        self._history.interests.extend(viewer.interests)
        self._present.append(viewer)
        return viewer

    async def _post(self, user: str, keys: list[Key]) -> None:
        token = jwt.encode(self._claims(user), self._jwt_secret, algorithm="HS256")
        body = {"symbol": keys[0].symbol, "dataTypes": [key.data_type for key in keys]}
        try:
            answer = await self._endpoint.post(
                ON_CARD_ADD, json=body, headers={"Authorization": f"Bearer {token}"}
            )
        except httpx.HTTPError as error:
            raise DemoError(f"the endpoint does not answer: {type(error).__name__}") from error
        if not answer.is_success:
            raise DemoError(f"the endpoint answered {answer.status_code}: {answer.text[:200]}")

    async def _committed_at(self, column: str, value: object) -> float | None:
        # Not every server keeps the times of commits; the caller then has one that is earlier.
        def look(connection: psycopg.Connection[Any]) -> float | None:
            row = connection.execute(
                sql.SQL(
                    "select extract(epoch from min(case"
                    " when current_setting('track_commit_timestamp')::boolean"
                    " then pg_xact_commit_timestamp(w.xmin) end))::float8"
                    " from freshness.watches as w where w.{} = %s"
                ).format(sql.Identifier(column)),
                [value],
            ).fetchone()
            return row[0] if row else None

        committed = await self._owner.call(look)
        return None if committed is None else committed - self._clock_offset

    def _claims(self, user: str) -> dict[str, Any]:
        now = int(time())
        return {
            "sub": user,
            "role": "authenticated",
            "aud": "authenticated",
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
