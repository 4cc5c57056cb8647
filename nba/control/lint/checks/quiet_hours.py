"""Channels over which promotions are sent at any hour."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nba.control.lint.finding import Check, Code, Finding, Severity, listed
from nba.control.lint.subject import Subject
from nba.domain.catalog import Direction, MessageClass

AT_ANY_HOUR = Code(
    "quiet_hours.missing",
    Severity.WARNING,
    "Promotions are sent over an outbound channel without quiet hours.",
    "add a quiet_hours policy for the channel",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find outbound placements with promotions that no quiet hours concern, by channel."""
    promotional = np.array(
        [action.message_class is MessageClass.PROMOTIONAL for action in subject.actions],
        dtype=np.bool_,
    )
    loud = subject.shown & promotional[:, None] & ~subject.guarded("quiet_hours")
    actions: dict[str, dict[str, None]] = {}
    places: dict[str, str] = {}
    for column, placement in enumerate(subject.placements):
        if placement.direction is Direction.OUTBOUND and loud[:, column].any():
            places.setdefault(placement.channel, placement.id)
            named = actions.setdefault(placement.channel, {})
            named |= dict.fromkeys(
                subject.actions[row].id for row in np.flatnonzero(loud[:, column]).tolist()
            )
    for channel, names in actions.items():
        found = f"{channel} may send {listed(list(names))} at any hour"
        yield AT_ANY_HOUR.found(f"placement/{places[channel]}/channel", found)


CHECK = Check((AT_ANY_HOUR,), find)
