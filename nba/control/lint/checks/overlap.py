"""Policies that double each other, and levers that multiply beyond their bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from nba.control.lint.finding import Check, Code, Finding, Severity, listed
from nba.control.lint.subject import Subject, span_of
from nba.domain.ids import PolicyId
from nba.policies.kind import PolicyKind
from nba.policies.kinds import Lever
from nba.policies.kinds.lever import HIGHEST_WEIGHT, LOWEST_WEIGHT

DOUBLED = Code(
    "policies.doubled",
    Severity.WARNING,
    "Two policies say the same of the same actions at the same time.",
    "retire one of them, or let it start when the other ends",
)
RIVAL = Code(
    "policies.overlap",
    Severity.WARNING,
    "Two policies set the same thing differently for the same actions at the same time.",
    "retire one of them, or let it start when the other ends",
)
MULTIPLIED = Code(
    "levers.beyond_bounds",
    Severity.WARNING,
    "Levers on the same action multiply to more, or less, than one lever may: they are cut.",
    "lower one of the weights, or narrow what it applies to",
)

SETTING_KINDS = ("lever", "exploration", "holdout", "budget", "fairness", "rotation")
"""Kinds of which one policy for a selector is expected: two are added up or compete."""


def find(subject: Subject) -> Iterator[Finding]:
    """Find doubles and rivals among policies with one selector, then levers out of bounds."""
    alike: dict[tuple[object, ...], list[PolicyKind]] = {}
    for policy in subject.after.policies:
        if isinstance(policy, PolicyKind) and not span_of(policy).over(subject.at_ms):
            alike.setdefault((policy.kind, policy.applies_to), []).append(policy)
    for policies in alike.values():
        yield from _overlapping(policies)
    yield from _multiplied(subject)


def _overlapping(policies: Sequence[PolicyKind]) -> Iterator[Finding]:
    for one, other in combinations(policies, 2):
        if not span_of(one).overlaps(span_of(other)):
            continue
        place = f"policy/{other.id}/applies_to"
        if _bare(one) == _bare(other):
            yield DOUBLED.found(place, f"{other.id} repeats {one.id}")
        elif one.kind in SETTING_KINDS:
            found = f"{other.id} and {one.id} are both a {one.kind} for the same selection"
            yield RIVAL.found(place, found)


def _bare(policy: PolicyKind) -> PolicyKind:
    """Return a policy without its name and dates, to compare what it does."""
    return replace(policy, id=PolicyId(""), description="", owner="", starts="", ends="")


def _multiplied(subject: Subject) -> Iterator[Finding]:
    levers = [policy for policy in subject.policies if isinstance(policy, Lever)]
    if not levers:
        return
    pulled = [(lever, subject.concerned(lever).pairs & subject.shown) for lever in levers]
    seen: dict[tuple[str, ...], list[str]] = {}
    products: dict[tuple[str, ...], float] = {}
    several = sum((pairs.astype(np.int64) for _, pairs in pulled), np.zeros(1, np.int64)) > 1
    for row, column in np.argwhere(several).tolist():
        action = subject.actions[row]
        here = [lever for lever, pairs in pulled if pairs[row, column]]
        together = [a for a in here if all(span_of(a).overlaps(span_of(b)) for b in here)]
        product = math.prod(lever.weight for lever in together)
        if len(together) > 1 and not LOWEST_WEIGHT <= product <= HIGHEST_WEIGHT:
            key = tuple(str(lever.id) for lever in together)
            products[key] = product
            if action.id not in seen.setdefault(key, []):
                seen[key].append(action.id)
    for key, actions in seen.items():
        found = (
            f"levers {listed(list(key))} multiply to {products[key]:g} for {listed(actions)}, "
            f"which is cut to {min(max(products[key], LOWEST_WEIGHT), HIGHEST_WEIGHT):g}"
        )
        yield MULTIPLIED.found(f"policy/{key[-1]}/weight", found)


CHECK = Check((DOUBLED, RIVAL, MULTIPLIED), find)
