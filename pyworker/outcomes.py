"""What a refresher can answer with, besides a plain list of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyworker.job import Row

Validators = Mapping[str, str]
"""What a source gave to ask "changed since?" with, such as its ETag; handed back as
`job.validators` at the next refresh of the key, by whichever process runs it."""


def _check_validators(given: object) -> None:
    # The refresher is told, not the database.
    if given is not None and not (
        isinstance(given, Mapping)
        and all(isinstance(each, str) for pair in given.items() for each in pair)
    ):
        raise TypeError(f"validators are a mapping of texts to texts, not {given!r}")


class Rows(list[Row]):
    """Rows, with the validators to be kept for the next refresh."""

    def __init__(self, rows: Iterable[Row] = (), *, validators: Validators | None = None) -> None:
        super().__init__(rows)
        _check_validators(validators)
        self.validators = validators


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The source says that what is stored is current: it counts as fresh from now.

    Validators that are not given stay as they were.
    """

    validators: Validators | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be kept."""
        _check_validators(self.validators)


@dataclass(frozen=True, slots=True)
class Missing:
    """The source has nothing for the symbol: it is asked again a time-to-live later."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The source asks not to come earlier: in so many seconds, or at a moment with a zone.

    Not counted as a failed attempt, unless the moment is past. At most 7 days.
    """

    when: float | datetime
    reason: str = "the source asked to come later"

    def __post_init__(self) -> None:
        """Refuse what is no moment: the refresher is told, not the database."""
        when: object = self.when
        if isinstance(when, datetime):
            if when.tzinfo is None:
                raise ValueError(f"RetryAfter({when}) has no time zone")
        elif not isinstance(when, int | float):
            kind = type(when).__name__
            raise TypeError(f"RetryAfter takes seconds or a datetime with a zone, not {kind}")
        elif not math.isfinite(when):
            raise ValueError(f"RetryAfter({self.when}) is no time")


Answer = Sequence[Row] | Unchanged | Missing | RetryAfter


class RefreshFailed(Exception):
    """Raised by a refresher to say in plain words why it got no rows; kept with the job.

    With `permanent` the key is set aside at once: another attempt would fail as well. With
    `of_source` the source is down, whatever the key: after some of these in a row it is paused.
    """

    def __init__(
        self, reason: str = "", *, permanent: bool = False, of_source: bool = False
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.of_source = of_source


def checked(answer: object) -> Answer:
    """Return an answer if it is one: a refresher without type checks can return anything.

    Raises:
        RefreshFailed: it is not.
    """
    if isinstance(answer, Unchanged | Missing | RetryAfter):
        return answer
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Sequence):
        raise RefreshFailed(
            f"a refresher returns a list of rows, not {type(answer).__name__}; [] for nothing"
        )
    return answer
