"""What refreshers say while they run, until it is told."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from pyworker.job import Job

LONGEST_LINE = 1000
# Held until they are told, four times a second; of a batch fewer, since each is for many keys.
_LINES, _LINES_FOR_KEYS, _SPEAKERS = 20, 500, 100


@dataclass(frozen=True, slots=True)
class Said:
    """What one speaker has said: lines for keys, oldest first.

    `left_out` were said before these, and are lost. Without symbols they are of no refresh.
    """

    data_type: str
    symbols: tuple[str, ...]
    lines: Sequence[str]
    left_out: int


class _Speaker:
    __slots__ = ("left_out", "lines")

    def __init__(self, most: int) -> None:
        self.lines: deque[str] = deque(maxlen=most)
        self.left_out = 0


class Lines:
    """Takes lines from tasks and threads, and holds the newest; nobody who speaks ever waits.

    They are no state: what is not told in time, or to nobody, is lost.
    """

    def __init__(self) -> None:
        self._jobs: ContextVar[Sequence[Job]] = ContextVar("jobs", default=())
        self._lock = threading.Lock()
        self._speakers: dict[tuple[str, tuple[str, ...]], _Speaker] = {}
        self._left_out = 0
        self._call: Callable[[], None] = _nobody

    def belong_to(self, jobs: Sequence[Job]) -> None:
        """Have what this task says from now on, and those that it starts, be of these jobs."""
        self._jobs.set(jobs)

    def say(self, line: object, symbol: object = None) -> None:
        """Keep a line, cut at 1,000 characters, for the keys of the refresh or for one symbol.

        Raises nothing.
        """
        try:
            text = str(line)[:LONGEST_LINE]
            named = None if symbol is None else str(symbol)
        except Exception as error:
            text, named = f"(a line that is no text: {type(error).__name__})", None
        jobs = self._jobs.get()
        data_type = jobs[0].data_type if jobs else ""
        symbols = tuple(job.symbol for job in jobs) if named is None else (named,)
        with self._lock:
            was_silent = not self._speakers
            self._keep((data_type, symbols), text)
        if was_silent:
            self._call()

    def _keep(self, name: tuple[str, tuple[str, ...]], text: str) -> None:
        speaker = self._speakers.get(name)
        if speaker is None:
            if len(self._speakers) >= _SPEAKERS:
                self._left_out += 1
                return
            most = max(min(_LINES, _LINES_FOR_KEYS // max(len(name[1]), 1)), 1)
            self._speakers[name] = speaker = _Speaker(most)
        speaker.left_out += len(speaker.lines) == speaker.lines.maxlen
        speaker.lines.append(text)

    def call(self, call: Callable[[], None]) -> None:
        """Have `call` called, in any thread, when there are lines to take."""
        self._call = call

    def take(self) -> tuple[list[Said], int]:
        """Return what was said, and how many lines of further speakers there was no room for."""
        with self._lock:
            speakers, self._speakers = self._speakers, {}
            left_out, self._left_out = self._left_out, 0
        said = [
            Said(data_type, symbols, list(speaker.lines), speaker.left_out)
            for (data_type, symbols), speaker in speakers.items()
        ]
        return said, left_out


def _nobody() -> None:
    """Nobody is called."""
