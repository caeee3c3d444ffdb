"""The waits of a process: for which keys they are, and which of them are to be looked at."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence

from pyworker.job import Key
from pyworker.key_freshness import WaitState
from pyworker.wait import Wait


class Waits:
    """Holds waits until they are left; `work` is set when there is something to look at."""

    def __init__(self) -> None:
        self.work = asyncio.Event()
        self._waits: set[Wait] = set()
        self._by_key: defaultdict[Key, set[Wait]] = defaultdict(set)
        self._to_look: set[Wait] = set()
        self._to_forget: set[Key] = set()

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waits)

    def add(self, wait: Wait) -> None:
        """Take in a wait, to be looked at soon."""
        self._waits.add(wait)
        self.look_soon([wait])

    def look_soon(self, waits: Collection[Wait]) -> None:
        """Have waits looked at."""
        if waits:
            self._to_look.update(waits)
            self.work.set()

    def look_at_all(self) -> None:
        """Have all waits looked at."""
        self.look_soon(self._waits)

    def look_at_key(self, key: Key) -> None:
        """Have those looked at that wait for a key."""
        self.look_soon(self._by_key.get(key, ()))

    def take(self) -> Collection[Sequence[Wait]]:
        """Return the waits to look at now; one question serves each group."""
        groups: defaultdict[tuple[str, int | None], list[Wait]] = defaultdict(list)
        for wait in self._to_look & self._waits:
            groups[wait.key.data_type, wait.priority].append(wait)
        self._to_look = set()
        return groups.values()

    def note(self, wait: Wait, state: WaitState) -> Key:
        """Take in what a look has found of a wait; returns the key that it waits for."""
        wait.note(state)
        key = Key(wait.key.data_type, state.symbol)
        if wait in self._waits:
            self._by_key[key].add(wait)
        elif not state.is_over:
            # It was given up meanwhile.
            self._forget(key)
        return key

    def others(self, key: Key, waits: Sequence[Wait]) -> set[Wait]:
        """Return who else waits for a key."""
        return self._by_key.get(key, set()).difference(waits)

    def forgotten(self) -> tuple[str, set[Key]] | None:
        """Return keys of one data type that nobody waits for any more, until `forgot`."""
        self._to_forget = {key for key in self._to_forget if not self._by_key.get(key)}
        if not self._to_forget:
            return None
        data_type = next(iter(self._to_forget)).data_type
        return data_type, {key for key in self._to_forget if key.data_type == data_type}

    def forgot(self, keys: set[Key]) -> None:
        """Note that nothing is told any more of keys."""
        self._to_forget -= keys

    def leave(self, wait: Wait) -> None:
        """Forget a wait."""
        self._waits.discard(wait)
        self._to_look.discard(wait)
        key = wait.canonical
        if key is None or key not in self._by_key:
            return
        self._by_key[key].discard(wait)
        if not self._by_key[key]:
            del self._by_key[key]
            is_over = wait.future.done() and wait.future.exception() is None
            if not is_over:
                self._forget(key)

    def fail(self, error: Exception) -> None:
        """End all waits with an error."""
        for wait in self._waits:
            wait.fail(error)

    def _forget(self, key: Key) -> None:
        self._to_forget.add(key)
        self.work.set()
