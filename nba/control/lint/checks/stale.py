"""Contents whose master has changed since they were last confirmed."""

from __future__ import annotations

from collections.abc import Iterator

from nba.control.lint.finding import Check, Code, Finding, Severity
from nba.control.lint.subject import Subject, span_of

STALE = Code(
    "content.stale",
    Severity.WARNING,
    "The master of a content's group has changed since the content was last confirmed.",
    "bring the content into agreement with its master, and confirm it",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find stale contents, and say whether they are withheld meanwhile."""
    stale, withheld = subject.catalog.stale, subject.catalog.withheld
    for content in subject.catalog.contents:
        if content.id in stale and not span_of(content).over(subject.at_ms):
            fate = "withheld until it is confirmed" if content.id in withheld else "shown as it is"
            found = f"{content.id} is behind the master of {content.group}: it is {fate}"
            yield STALE.found(f"content/{content.id}/confirmed_against", found)


CHECK = Check((STALE,), find)
