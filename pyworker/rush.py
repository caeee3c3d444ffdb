"""A rush: more is due than there are slots for."""

from __future__ import annotations


class Rush:
    """Says how many jobs a claim takes: as many as there are free slots, in a rush half of all.

    What one claim brings ends together and is told together, where fetches are quick. With all
    slots in one claim the worker would wait for Postgres and Postgres for the worker, in turns. So
    one half is fetched while the other half is told and claimed.

    A rush begins when a claim for half of the slots or more came back full, and ends when one comes
    back with less than it asked for. A claim takes no less than a refresher fetches at once.
    """

    def __init__(self, concurrency: int, largest_batch: int) -> None:
        self._half = max(-(-concurrency // 2), largest_batch)
        self._goes_on = False

    def limit(self, free: int) -> int:
        """Return how many jobs to claim for so many free slots."""
        return min(free, self._half) if self._goes_on else free

    def note(self, asked: int, claimed: int) -> None:
        """Note what a claim brought."""
        if claimed < asked:
            self._goes_on = False
        elif asked >= self._half:
            self._goes_on = True
