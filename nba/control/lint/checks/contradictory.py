"""Conditions that no customer can meet, alone or together."""

from __future__ import annotations

from collections.abc import Iterator

from nba.control.lint.closed import closures
from nba.control.lint.finding import Check, Code, Finding, Severity, listed
from nba.control.lint.subject import Subject

NEVER_MET = Code(
    "rule.never_met",
    Severity.WARNING,
    "The condition of a policy can be true of nobody, so that it switches off what it selects.",
    "correct the condition; to switch something off for a time, end it with `ends`",
)
CONTRADICTORY = Code(
    "rules.contradictory",
    Severity.WARNING,
    "Conditions that stand before the same actions can never all be met.",
    "narrow what one of them applies to, or change one of the conditions",
)


def find(subject: Subject) -> Iterator[Finding]:
    """Find each smallest set of policies that contradict, with what they close."""
    for conflict in subject.once(closures).conflicts:
        rows = dict.fromkeys(row for row, _ in conflict.pairs)
        columns = dict.fromkeys(column for _, column in conflict.pairs)
        actions = listed([subject.actions[row].id for row in rows])
        places = listed([subject.placements[column].id for column in columns])
        first = conflict.policies[0]
        place = f"policy/{first.id}/condition"
        if len(conflict.policies) == 1:
            found = f"nobody can meet {first.condition!r}: it closes {actions} in {places}"
            yield NEVER_MET.found(place, found)
        else:
            names = listed([policy.id for policy in conflict.policies])
            found = f"nobody can meet {names} together: they close {actions} in {places}"
            yield CONTRADICTORY.found(place, found)


CHECK = Check((NEVER_MET, CONTRADICTORY), find)
