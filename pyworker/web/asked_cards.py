"""What a page asks for, and who answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pyworker.job import Key
from pyworker.web.authentication import Caller


@dataclass(frozen=True, slots=True)
class AskedCards:
    """The keys of the cards, for how many seconds the page waits, and who asks.

    `token` is what the caller signed in with; None: a secret key.
    """

    keys: Sequence[Key]
    wait: float
    caller: Caller
    token: str | None


class Cards(Protocol):
    """Watches the keys of cards, and says their states."""

    async def add(self, asked: AskedCards) -> dict[str, Any]:
        """Return the answer's body.

        Raises:
            ProblemError: the caller may not ask for that; nothing was recorded.
            CardsRefused: likewise, in the database's words.
            DatabaseUnavailable: the database cannot be reached.
        """
