"""Contact caps that another cap makes idle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from nba.control.lint.finding import Check, Code, Finding, Severity
from nba.control.lint.selecting import Selection
from nba.control.lint.subject import Subject, span_of
from nba.domain.history import MAX_CONTACTS
from nba.policies.counting import DECISION, whole_seconds
from nba.policies.kinds import ContactCap

REDUNDANT = Code(
    "cap.redundant",
    Severity.WARNING,
    "Whenever the cap is reached, a cap over at least as much has been reached before.",
    "retire it, or lower its limit below the other's",
)
NEVER_BINDS = Code(
    "cap.never_binds",
    Severity.WARNING,
    "Another cap never allows as many contacts as it takes to reach this one.",
    "retire it, or lower its limit",
)
BEYOND_HISTORY = Code(
    "cap.beyond_history",
    Severity.ERROR,
    "The limit is above the number of entries that are kept of a customer, so it is never counted.",
    f"lower the limit to {MAX_CONTACTS:,} or less",
)


@dataclass(frozen=True, slots=True)
class _Cap:
    """A cap with what it counts (``counted``) and what it closes (``closing``)."""

    policy: ContactCap
    counted: Selection
    closing: Selection


def find(subject: Subject) -> Iterator[Finding]:
    """Find, for each cap, the first other that leaves it nothing to do."""
    caps = [
        _Cap(policy, subject.words.select(policy.applies_to), subject.concerned(policy))
        for policy in subject.policies
        if isinstance(policy, ContactCap)
    ]
    for position, cap in enumerate(caps):
        policy = cap.policy
        if policy.limit > MAX_CONTACTS:
            found = f"{policy.id} allows {policy.limit:,}, and {MAX_CONTACTS:,} entries are kept"
            yield BEYOND_HISTORY.found(f"policy/{policy.id}/limit", found)
        for place, other in enumerate(caps):
            if place == position or not _stands_over(other, cap):
                continue
            if _idle_under(cap, other, is_first=position < place):
                found = f"{policy.id} ({_rule(policy)}): {other.policy.id} ({_rule(other.policy)})"
                yield REDUNDANT.found(
                    f"policy/{policy.id}/limit", f"{found} is always reached first"
                )
                break
            if _most(other, cap) < policy.limit:
                found = (
                    f"{policy.id} ({_rule(policy)}) is never reached: {other.policy.id} "
                    f"({_rule(other.policy)}) allows at most {_most(other, cap):,} in that time"
                )
                yield NEVER_BINDS.found(f"policy/{policy.id}/limit", found)
                break


def _stands_over(one: _Cap, other: _Cap) -> bool:
    """Whether one counts and closes all that the other does, as long, and in the same way."""
    return (
        not other.closing.empty
        and one.counted.covers(other.counted)
        and one.closing.covers(other.closing)
        and span_of(one.policy).covers(span_of(other.policy))
        and _way(one.policy) == _way(other.policy)
    )


def _idle_under(cap: _Cap, other: _Cap, *, is_first: bool) -> bool:
    """Whether a cap has nothing to do under another that stands over it.

    Of two that are always reached together, the one given first stays; doubles are told elsewhere.
    """
    if not _reached_before(other.policy, cap.policy):
        return False
    together = _stands_over(cap, other) and _reached_before(cap.policy, other.policy)
    is_double = cap.policy.applies_to == other.policy.applies_to
    return not (together and (is_first or is_double))


def _way(cap: ContactCap) -> tuple[object, ...]:
    """Return how a cap counts."""
    return cap.counting, cap.hold_seconds, cap.release


def _reached_before(one: ContactCap, other: ContactCap) -> bool:
    """Whether one, which counts all the other does, is full whenever the other is."""
    if one.limit > other.limit:
        return False
    if not isinstance(one.window, timedelta):
        return one.window == other.window
    if isinstance(other.window, timedelta):
        return one.window >= other.window
    return whole_seconds(one.window) >= other.window.longest_seconds


def _most(one: _Cap, other: _Cap) -> float:
    """Return how many contacts one cap lets through within the window of another.

    Only decisions counted over rolling windows can be bounded so, and only where one cap stands
    before all that the other counts.
    """
    window, longer = one.policy.window, other.policy.window
    if not isinstance(window, timedelta) or not isinstance(longer, timedelta):
        return float("inf")
    if one.policy.counting != DECISION or not one.closing.covers(other.counted):
        return float("inf")
    # Both ends of a window count, so a window covers one second more than it is long.
    stretches = -(-(whole_seconds(longer) + 1) // (whole_seconds(window) + 1))
    return one.policy.limit * stretches


def _rule(cap: ContactCap) -> str:
    """Return the rule of a cap, as its sentence puts it."""
    return replace(cap, description="").sentence(0).strip(" ()").partition(";")[0]


CHECK = Check((REDUNDANT, NEVER_BINDS, BEYOND_HISTORY), find)
