"""Outbound messages for which nobody asks whether the customer agreed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nba.control.lint.finding import Check, Code, Finding, Severity, listed
from nba.control.lint.subject import Subject
from nba.domain.catalog import Direction, MessageClass
from nba.policies.kinds import ConsentPolicy
from nba.policies.order import CONCERNS, Concern

UNCHECKED = Code(
    "consent.unchecked",
    Severity.WARNING,
    "Outbound messages of a purpose go out over a channel without any consent policy.",
    "add a consent policy that selects them",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find each channel and purpose with outbound messages that no consent policy concerns."""
    checked = np.zeros_like(subject.shown)
    purposes = np.array([action.purpose for action in subject.actions], dtype=np.str_)
    for policy in subject.of_kind("consent"):
        pairs = subject.concerned(policy).pairs
        if isinstance(policy, ConsentPolicy) and policy.purposes:
            pairs &= np.isin(purposes, policy.purposes)[:, None]
        checked |= pairs
    lacking: dict[tuple[str, str], list[str]] = {}
    for column, placement in enumerate(subject.placements):
        if placement.direction is not Direction.OUTBOUND:
            continue
        for row in np.flatnonzero(subject.shown[:, column] & ~checked[:, column]).tolist():
            action = subject.actions[row]
            if _needs_consent(action.message_class):
                found = lacking.setdefault((placement.channel, action.purpose), [])
                found.append(action.id)
    for (channel, purpose), actions in lacking.items():
        named = listed(list(dict.fromkeys(actions)))
        place = f"action/{actions[0]}/purpose"
        found_text = f"nobody checks consent to {channel} for {purpose}: {named}"
        yield UNCHECKED.found(place, found_text)


def _needs_consent(message_class: MessageClass) -> bool:
    return CONCERNS["consent"][message_class] is not Concern.NEVER


CHECK = Check((UNCHECKED,), find)
