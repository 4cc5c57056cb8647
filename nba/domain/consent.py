"""Consent as packed records keep it, and as it was given over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nba.domain.ids import hash32

CONSENT_GRANTED_BIT = 1


def consent_code(channel: str, purpose: str) -> int:
    """Return the even 32-bit code of a channel and purpose; its lowest bit is free for the answer.

    >>> consent_code("email", "marketing") % 2
    0
    """
    return hash32(f"{channel}/{purpose}") & ~CONSENT_GRANTED_BIT


def consent_history(updates: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return every word a customer gave, oldest first.

    ``updates`` are their profile updates as they arrived, each with ``received_at``, ``source`` and
    ``consents`` by channel and purpose.
    """
    return [
        {
            "channel": channel,
            "purpose": purpose,
            "consent": str(consent),
            "at": update["received_at"],
            "source": update["source"],
        }
        for update in updates
        for channel, purposes in update["consents"].items()
        for purpose, consent in purposes.items()
    ]


def standing_consents(
    history: Iterable[Mapping[str, str]],
) -> dict[str, dict[str, dict[str, str]]]:
    """Return the last word on each channel and purpose, with when it was first given and by whom.

    A word that is given again stands since the first time.
    """
    standing: dict[str, dict[str, dict[str, str]]] = {}
    for word in history:
        purposes = standing.setdefault(word["channel"], {})
        known = purposes.get(word["purpose"])
        if known is None or known["consent"] != word["consent"]:
            purposes[word["purpose"]] = {
                "consent": word["consent"],
                "since": word["at"],
                "source": word["source"],
            }
    return standing
