"""Who is calling: Supabase's tokens and keys, verified here without asking Supabase each time."""

from __future__ import annotations

from pyworker.web.authentication.authentication import Authentication
from pyworker.web.authentication.caller import Caller

__all__ = ["Authentication", "Caller"]
