"""Outcomes of decisions, and how a decision resolves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nba.domain.ids import ActionId, DecisionId, OutcomeId

STANDARD_OUTCOMES = ("delivered", "impression", "click", "accept", "reject", "convert")
"""Outcome kinds with a meaning of their own; users may report others."""

SHOWN_OUTCOMES = frozenset({"delivered", "impression", "click", "accept", "reject"})
"""Outcomes that need something to have been shown, so that ``no_action`` cannot have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one choice of a decision; ``value`` is in the project's currency.

    ``choice`` is the position of the choice in the decision's answer, from 0.
    """

    outcome_id: OutcomeId
    decision_id: DecisionId
    kind: str
    at_ms: int
    received_at_ms: int
    choice: int = 0
    value: float | None = None


class ResolutionKind(StrEnum):
    """How a choice resolved; ``correction`` adds to what resolved before, never overwrites it."""

    REWARDED = "rewarded"
    EXPIRED = "expired"
    CENSORED = "censored"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The one resolution of a choice: its label (0 or 1), its reward in currency, and why."""

    decision_id: DecisionId
    choice: int
    action: ActionId
    kind: ResolutionKind
    label: float
    reward: float
    at_ms: int
    outcome_id: OutcomeId | None = None
