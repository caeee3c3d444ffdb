"""What becomes of keys, for those of this process who want to be told as it happens."""

from __future__ import annotations

from pyworker.events.entrance import Refusal, TooManyStreams
from pyworker.events.stream import Stream
from pyworker.events.streams import Streams

__all__ = ["Refusal", "Stream", "Streams", "TooManyStreams"]
