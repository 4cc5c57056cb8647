"""``fairness``: says so, or stops, where a group is chosen for far more often than the rest.

The rate of a group is the mean chance with which something selected was drawn for its customers,
over the draws in which something selected was left after all guardrails. It is compared with the
rate of everybody. The worker counts (:mod:`nba.worker.fairness`) and tells which groups are above
the bound; where the policy blocks, their customers get nothing selected until the window has
moved on. A group below the bound is told of, but not helped by leaving it out: nothing is closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.domain.ids import hash32
from nba.domain.policy import Missing
from nba.expressions import ExpressionError, Level, Schema, Symbol, ValueType
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, SECOND_CAUSE, Gate, Selected, Stage, Surroundings

SHORTEST_WINDOW = timedelta(hours=1)
LONGEST_WINDOW = timedelta(days=90)
BLOCKED, GROUP_UNKNOWN, UNKNOWN = FIRST_CAUSE, SECOND_CAUSE, SECOND_CAUSE + 1

_TRUTH = ("false", "true")


class OnBreach(StrEnum):
    """What follows where a group leaves the bound."""

    ALERT = "alert"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness(PolicyKind):
    """Watches how often each group ``by`` a feature is chosen for, over a ``window``.

    ``by`` is an enumeration or a yes/no known of customers. A group leaves the bound where its
    rate is above ``max_ratio`` times that of everybody, or above it by more than
    ``max_difference``; and below, as it is above. Groups of fewer than ``min_decisions`` draws are
    not judged. With ``on_breach: block`` customers of a group above get nothing selected, and
    while there is one, ``missing`` decides about customers whose group is not known.
    """

    kind: Literal["fairness"] = "fairness"
    by: str
    measure: Literal["selection_rate"] = "selection_rate"
    max_ratio: float | None = None
    max_difference: float | None = None
    min_decisions: int = 1_000
    window: timedelta = timedelta(days=7)
    on_breach: OnBreach = OnBreach.ALERT
    missing: Missing = Missing.CLOSED
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("fairness.blocked", "the customer's group gets it more often than allowed"),
        Cause("fairness.group_unknown", "the customer's group is not known, and one is blocked"),
        Cause("fairness.unknown", "which groups are blocked is not known here"),
    )

    def problems(self) -> Iterator[Problem]:
        """Refuse a bound that bounds nothing, and windows that mean something else."""
        if (self.max_ratio is None) == (self.max_difference is None):
            found = f"max_ratio {self.max_ratio}, max_difference {self.max_difference}"
            yield Problem("max_ratio", found, "one of both, such as max_ratio: 1.25")
        if self.max_ratio is not None and not 1 < self.max_ratio <= 100:  # noqa: PLR2004
            yield Problem("max_ratio", f"max_ratio {self.max_ratio:g}", "above 1, at most 100")
        if self.max_difference is not None and not 0 < self.max_difference < 1:
            found = f"max_difference {self.max_difference:g}"
            yield Problem("max_difference", found, "between 0 and 1, such as 0.05")
        if self.min_decisions < 1:
            found = f"min_decisions {self.min_decisions}"
            yield Problem("min_decisions", found, "at least 1; 1,000 to judge by")
        if not SHORTEST_WINDOW <= self.window <= LONGEST_WINDOW:
            yield Problem("window", f"window {self.window}", "between 1 hour and 90 days")
        if self.is_about_contents:
            found = "fairness of some contents of an action"
            yield Problem("applies_to", found, "select whole actions")

    def grouping(self, schema: Schema) -> Symbol:
        """Return what it groups by; :class:`ExpressionError` where that makes no groups."""
        symbol = schema.get(self.by) or schema.get(f"customer.{self.by}")
        if symbol is None or not groups_of(symbol):
            known = sorted(found.path for found in schema.values() if groups_of(found))
            expected = f"an enumeration or a yes/no, one of {', '.join(known) or 'none'}"
            raise ExpressionError(1, f"no groups by {self.by!r}", expected)
        return symbol

    def sentence(self, cause: int) -> str:
        """Say by what, and how far."""
        bound = (
            f"at most {self.max_ratio:g} times the rate of everybody"
            if self.max_ratio is not None
            else f"at most {self.max_difference or 0.0:.1%} above everybody"
        )
        return f"{self.description} ({self.by}: {bound}; {self.causes[cause].meaning})"

    def is_above(self, rate: float, overall: float) -> bool:
        """Say whether a group's rate is above the bound."""
        if self.max_ratio is not None:
            return rate > overall * self.max_ratio
        return rate > overall + (self.max_difference or 0.0)

    def is_below(self, rate: float, overall: float) -> bool:
        """Say whether a group's rate is as far below everybody's as it may not be above."""
        return self.is_above(overall, rate)


def groups_of(symbol: Symbol) -> tuple[str, ...]:
    """Return the names of the groups a symbol makes, by the code it has in a row."""
    if symbol.level is not Level.SITUATION:
        return ()
    if symbol.type is ValueType.BOOL:
        return _TRUTH
    return symbol.values


def compile_fairness(selected: Sequence[Selected[Fairness]], surroundings: Surroundings) -> Stage:
    """Compile: one gate a policy that blocks; those that only tell close nothing."""
    watched: list[tuple[int, Fairness, int, dict[int, int]]] = []
    gates: list[Gate] = []
    for item in selected:
        if item.policy.on_breach is not OnBreach.BLOCK:
            continue
        symbol = item.policy.grouping(surroundings.schema)
        codes = {code: hash32(name) for code, name in enumerate(groups_of(symbol))}
        gate = surroundings.first_gate + len(gates)
        watched.append((gate, item.policy, symbol.column, codes))
        gates.append(Gate(item.index, item.rows))

    return Stage(tuple(gates), partial(_close, watched) if gates else None)


def _close(
    watched: Sequence[tuple[int, Fairness, int, Mapping[int, int]]],
    situation: Situation,
    closed: NDArray[np.uint8],
    _: NDArray[np.uint8],
) -> None:
    for gate, policy, column, codes in watched:
        closed[gate] = _cause(policy, situation, float(situation.symbols[column]), codes)


def _cause(policy: Fairness, situation: Situation, value: float, codes: Mapping[int, int]) -> int:
    blocked = situation.shared.get(hash32(policy.id))
    if blocked is None:
        return UNKNOWN
    if not blocked:
        return 0
    group = None if np.isnan(value) else codes.get(int(value))
    if group is None:
        return GROUP_UNKNOWN if policy.missing is Missing.CLOSED else 0
    return BLOCKED if group in blocked else 0
