"""The answer to a caller whose credentials are not taken."""

from __future__ import annotations

from pyworker.web.problems import ProblemError

NOT_SIGNED_IN = "The caller is not signed in: sign in first."


def refusal(message: str) -> ProblemError:
    """Return the 401 to raise; the message is for the caller and repeats nothing that was sent."""
    return ProblemError(401, "INVALID_CREDENTIALS", message, {"WWW-Authenticate": "Bearer"})
