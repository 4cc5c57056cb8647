"""Policies that wait for what nobody will ever report."""

from __future__ import annotations

from collections.abc import Iterator

from nba.control.lint.finding import Check, Code, Finding, Severity, listed
from nba.control.lint.subject import Subject
from nba.domain.outcome import STANDARD_OUTCOMES

UNDECLARED_EVENT = Code(
    "policy.undeclared_event",
    Severity.ERROR,
    "A policy looks for an event that is not declared, so that it can never see one.",
    "declare the event, or name a declared one",
)
UNKNOWN_OUTCOME = Code(
    "policy.unknown_outcome",
    Severity.WARNING,
    "A policy looks for an outcome that is neither standard nor named by any action.",
    "correct the outcome's name, unless it is one that your channels report",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find the names of events and outcomes that are not known."""
    events = subject.after.features.events
    outcomes = {*STANDARD_OUTCOMES}
    for action in subject.catalog.actions:
        outcomes |= action.outcomes
    for policy in subject.policies:
        unheard = [name for name in policy.noted_events() if name not in events]
        if unheard:
            found = f"{policy.id} looks for {listed(unheard)}, which is not declared as an event"
            yield UNDECLARED_EVENT.found(f"policy/{policy.id}/events", found)
        unknown = [name for name in policy.noted_outcomes() if name not in outcomes]
        if unknown:
            found = f"{policy.id} looks for the outcome {listed(unknown)}, which no action names"
            yield UNKNOWN_OUTCOME.found(f"policy/{policy.id}/outcomes", found)


CHECK = Check((UNDECLARED_EVENT, UNKNOWN_OUTCOME), find)
