"""Dates that are over, or yet to come, or the wrong way round."""

from __future__ import annotations

from collections.abc import Iterator

from nba.control.lint.finding import Check, Code, Finding, Severity
from nba.control.lint.subject import Subject, span_of
from nba.policies.kind import PolicyKind

REVERSED = Code(
    "dates.reversed",
    Severity.ERROR,
    "It ends before it starts, so that it never holds.",
    "exchange the dates, or remove one",
)
ENDED = Code(
    "dates.ended",
    Severity.WARNING,
    "It has ended already: it does nothing any more.",
    "retire it, or give it a later end",
)
STARTS_LATER = Code(
    "dates.starts_later",
    Severity.WARNING,
    "It has not started yet: publishing changes nothing until then.",
    "nothing, if that is meant; else give it an earlier start",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find the dates of policies, actions and contents that surprise."""
    policies = [policy for policy in subject.after.policies if isinstance(policy, PolicyKind)]
    for kind, items in (
        ("policy", policies),
        ("action", subject.actions),
        ("content", subject.catalog.contents),
    ):
        for item in items:
            span = span_of(item)
            name = f"{kind} {item.id}"
            starts_ms, ends_ms = span
            if starts_ms is not None and ends_ms is not None and ends_ms <= starts_ms:
                found = f"{name} ends {item.ends}, before it starts {item.starts}"
                yield REVERSED.found(f"{kind}/{item.id}/ends", found)
            elif span.over(subject.at_ms):
                found = f"{name} ended {item.ends}"
                yield ENDED.found(f"{kind}/{item.id}/ends", found)
            elif starts_ms is not None and starts_ms > subject.at_ms:
                found = f"{name} starts {item.starts}"
                yield STARTS_LATER.found(f"{kind}/{item.id}/starts", found)


CHECK = Check((REVERSED, ENDED, STARTS_LATER), find)
