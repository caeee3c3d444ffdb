"""The keys that this process streams, each with its channel."""

from __future__ import annotations

from collections.abc import Iterable

from pyworker.database_clock import DatabaseClock
from pyworker.events.channel import Channel
from pyworker.events.stream import Stream
from pyworker.events.texts import LineText, state_text
from pyworker.job import Key
from pyworker.key_event import KeyEvent, KeyLine
from pyworker.stream_state import StreamState


class Channels:
    """The channels by key; one for each key that somebody streams, and none else."""

    def __init__(self, clock: DatabaseClock | None = None) -> None:
        self._clock = clock or DatabaseClock()
        self._channels: dict[Key, Channel] = {}
        # What was heard of keys while a question was under way whose answer may be older.
        self._heard: dict[Key, KeyEvent] | None = None

    def get(self, key: Key) -> Channel | None:
        """Return the channel of a key, None when nobody streams it."""
        return self._channels.get(key)

    def keys(self) -> list[Key]:
        """Return all keys that somebody streams."""
        return list(self._channels)

    def waiting(self) -> dict[str, int]:
        """Return for each key, as quote:AAPL, how many of its streams have not taken its state."""
        return {
            f"{key.data_type}:{key.symbol}": sum(stream.holds(key) for stream in channel.streams)
            for key, channel in self._channels.items()
        }

    def hear(self, event: KeyEvent) -> None:
        """Pass on what has become of a key."""
        key = Key(event.data_type, event.symbol)
        if self._heard is not None:
            known = self._heard.get(key)
            if known is None or known.id < event.id:
                self._heard[key] = event
        channel = self._channels.get(key)
        if channel is not None:
            channel.offer(_state_of(event), event.kind)

    def hear_line(self, line: KeyLine) -> None:
        """Pass on what a refresher has said of a key; nobody keeps it."""
        key = Key(line.data_type, line.symbol)
        channel = self._channels.get(key)
        if channel is not None:
            text = LineText(line)
            for stream in channel.streams:
                stream.say(key, text)

    def asking(self) -> None:
        """Keep what is heard from now on, until `answered`."""
        self._heard = {}

    def answered(self, states: list[StreamState]) -> None:
        """Take in an answer, and what was heard since `asking`; makes the channels it needs."""
        self.note(states)
        for state in states:
            key = Key(state.data_type, state.symbol)
            channel = self._channels.get(key)
            event = (self._heard or {}).get(key)
            if channel is None:
                self._channels[key] = channel = Channel(key, state, self._clock)
            elif self._heard is not None and event is None:
                channel.correct(state)
            else:
                channel.offer(state)
            if event is not None:
                channel.offer(_state_of(event), event.kind)
        self._heard = None

    def note(self, states: Iterable[StreamState]) -> None:
        """Note what time it is in the database."""
        moments = [state.looked_at for state in states if state.looked_at is not None]
        if moments:
            self._clock.note(max(moments))

    def enter(self, stream: Stream) -> None:
        """Let a stream in to the channels of its keys, and leave it the state of each."""
        for key in stream.keys:
            channel = self._channels[key]
            channel.streams.add(stream)
            stream.put(key, state_text(channel.state, "snapshot"))

    def leave(self, stream: Stream) -> None:
        """Let a stream out of its channels."""
        for key in stream.keys:
            channel = self._channels.get(key)
            if channel is not None:
                channel.streams.discard(stream)

    def close_empty(self) -> list[Key]:
        """Forget the keys that nobody streams any more, and return them."""
        empty = [key for key, channel in self._channels.items() if not channel.streams]
        for key in empty:
            self._channels.pop(key).close()
        return empty


def _state_of(event: KeyEvent) -> StreamState:
    return StreamState(
        event.data_type,
        event.symbol,
        event.status,
        event.fresh_until,
        event.due_at,
        event.id,
    )
