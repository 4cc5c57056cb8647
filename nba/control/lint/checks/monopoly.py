"""Actions that would take a placement, or a branch in it, for themselves.

What is compared is what is known before any model has learned: base rate x value, of its goals
too, less cost. Where one action is worth several times the next best, no score will put another
first, and nothing is learned about the others but by exploration.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nba.control.lint.finding import Check, Code, Finding, Severity
from nba.control.lint.selecting import Mask
from nba.control.lint.subject import Subject
from nba.domain.catalog import Autonomy
from nba.domain.taxonomy import Carrier
from nba.policies.condition import ConditionPolicy
from nba.policies.kind import PolicyKind
from nba.policies.kinds import Exploration, Lever

MONOPOLY = Code(
    "action.monopoly",
    Severity.WARNING,
    "An action is worth several times the next best, and nothing holds it back more than that one.",
    "bound it with an exploration max_share, a cap, a budget or a lever below 1; or correct its "
    "value or base rate",
)

FACTOR = 3.0
"""How many times the next best an action must be worth."""

FEWEST = 3
"""How many actions a placement or branch must have for one to dominate them."""

_BOUNDING = ("contact_cap", "budget", "diversity", "suppression")
_FILTERING = ("audience", "sequence")


def find(subject: Subject) -> Iterator[Finding]:
    """Find the dominant action of each placement, and of each top-level branch in it."""
    expected = np.array([action.base_worth for action in subject.actions])
    branches = list(_branches(subject))
    told: set[tuple[str, str]] = set()
    for column, placement in enumerate(subject.placements):
        if placement.autonomy is Autonomy.RULES:
            continue
        here = subject.shown[:, column]
        worth = expected * _levers(subject, column)
        for name, members in (("", here), *((name, here & mask) for name, mask in branches)):
            dominant = _dominant(worth, members)
            if dominant is None or _bounded(subject, column, *dominant):
                continue
            winner = dominant[0]
            action = subject.actions[winner]
            if (action.id, name) in told or (action.id, "") in told:
                continue
            told.add((action.id, name))
            among = f"{name} in {placement.id}" if name else placement.id
            found = (
                f"{action.id} is expected to bring {worth[winner]:.3g}, over {FACTOR:g} times the "
                f"next best of {among}: it will take nearly all of it"
            )
            yield MONOPOLY.found(f"action/{action.id}/value", found)


def _branches(subject: Subject) -> Iterator[tuple[str, Mask]]:
    """Yield the top-level terms of the dimensions that every action must have a term in."""
    for name, dimension in subject.catalog.taxonomy.dimensions.items():
        if Carrier.ACTION not in dimension.required_for:
            continue
        for path in dimension.terms:
            if "/" not in path:
                term = f"{name}:{path}"
                carried = [action.has_term(term) for action in subject.actions]
                yield term, np.array(carried, dtype=np.bool_)


def _levers(subject: Subject, column: int) -> NDArray[np.float64]:
    weights = np.ones(len(subject.actions))
    for policy in subject.of_kind("lever"):
        selection = subject.concerned(policy)
        if isinstance(policy, Lever) and selection.placements[column]:
            weights[selection.actions] *= policy.weight
    return weights


def _bounded(subject: Subject, column: int, winner: int, second: int) -> bool:
    """Whether a policy holds back the best action in a placement, and not the next best too."""
    for policy in subject.policies:
        selection = subject.concerned(policy)
        if not (selection.placements[column] and selection.actions[winner]):
            continue
        if _holds_back(policy) and (
            isinstance(policy, Exploration) or not selection.actions[second]
        ):
            return True
    return False


def _holds_back(policy: PolicyKind) -> bool:
    if isinstance(policy, Exploration):
        return policy.max_share < 1.0
    if isinstance(policy, Lever):
        return policy.weight < 1.0
    return isinstance(policy, ConditionPolicy) or policy.kind in (*_BOUNDING, *_FILTERING)


def _dominant(worth: NDArray[np.float64], members: Mask) -> tuple[int, int] | None:
    """Return the rows of the best and the next best, where the one dominates the other."""
    rows = np.flatnonzero(members)
    if len(rows) < FEWEST:
        return None
    ranked = rows[np.argsort(-worth[rows], kind="stable")]
    best, second = worth[ranked[0]], max(worth[ranked[1]], 0.0)
    if best <= 0.0 or best < FACTOR * second:
        return None
    return int(ranked[0]), int(ranked[1])


CHECK = Check((MONOPOLY,), find)
