"""What a person has to be told in one line."""

from __future__ import annotations


class LocalError(Exception):
    """The private database cannot do what was asked; the message says what to do."""
