"""Consent as packed records keep it."""

from __future__ import annotations

from nba.domain.ids import hash32

CONSENT_GRANTED_BIT = 1


def consent_code(channel: str, purpose: str) -> int:
    """Return the even 32-bit code of a channel and purpose; its lowest bit is free for the answer.

    >>> consent_code("email", "marketing") % 2
    0
    """
    return hash32(f"{channel}/{purpose}") & ~CONSENT_GRANTED_BIT
