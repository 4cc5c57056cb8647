"""Placements that nothing can fill."""

from __future__ import annotations

from collections.abc import Iterator

from nba.control.lint.closed import closures
from nba.control.lint.finding import Check, Code, Finding, Severity
from nba.control.lint.subject import Subject

NO_CONTENT = Code(
    "placement.without_content",
    Severity.WARNING,
    "No action that has not ended has content in the placement.",
    "add content for the placement, or retire it",
)
NOTHING_LEFT = Code(
    "placement.nothing_left",
    Severity.WARNING,
    "Every action shown in the placement is always closed, whoever the customer is.",
    "open one of its actions, or retire the placement",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find placements without content, and those whose every action is closed."""
    shown, closed = subject.shown, subject.once(closures).pairs
    for column, placement in enumerate(subject.placements):
        if not shown[:, column].any():
            found = f"{placement.id} can only answer no_action: no action has content in it"
            yield NO_CONTENT.found(f"placement/{placement.id}/id", found)
        elif not (shown[:, column] & ~closed[:, column]).any():
            count = int(shown[:, column].sum())
            found = f"{placement.id} can only answer no_action: all its {count} actions are closed"
            yield NOTHING_LEFT.found(f"placement/{placement.id}/id", found)


CHECK = Check((NO_CONTENT, NOTHING_LEFT), find)
