"""Actions that nobody will ever be told."""

from __future__ import annotations

from collections.abc import Iterator

from nba.control.lint.closed import closures
from nba.control.lint.finding import Check, Code, Finding, Severity, listed
from nba.control.lint.subject import Subject, span_of

NEVER_SHOWN = Code(
    "action.never_shown",
    Severity.WARNING,
    "No placement has content of the action that has not ended.",
    "add content of it to a placement, or retire the action",
)
ALWAYS_CLOSED = Code(
    "action.always_closed",
    Severity.WARNING,
    "The conditions before the action contradict each other in every placement that shows it.",
    "change one of the policies named, or retire the action",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find actions shown nowhere, and those closed everywhere they are shown."""
    shown, closed = subject.shown, subject.once(closures)
    for row, action in enumerate(subject.actions):
        if span_of(action).over(subject.at_ms):
            continue
        if not shown[row].any():
            found = f"{action.id} is never said: no placement has content of it"
            yield NEVER_SHOWN.found(f"action/{action.id}/id", found)
        elif not (shown[row] & ~closed.pairs[row]).any():
            why = {
                policy.id: None
                for conflict in closed.conflicts
                if any(pair[0] == row for pair in conflict.pairs)
                for policy in conflict.policies
            }
            found = f"{action.id} is never said: nobody can meet {listed(list(why))}"
            yield ALWAYS_CLOSED.found(f"action/{action.id}/id", found)


CHECK = Check((NEVER_SHOWN, ALWAYS_CLOSED), find)
