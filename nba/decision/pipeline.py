"""The decision pipeline: a pure function of a plan and what was read of one customer.

eligible ▸ features ▸ propensity ▸ value ▸ explore; reserving and recording follow in
:mod:`nba.decision.service`. The same inputs give the same result to the byte, which is what replay
and explain rest on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.draw import draw, uniform
from nba.decision.arbitration import Arbiter, ArbiterInput, expected_values
from nba.decision.plan import PlacementPlan, Plan
from nba.domain.decision import Choice, Decision, DecisionRequest, PlacementRequest
from nba.domain.history import ContactHistory
from nba.domain.ids import DecisionId
from nba.policies import Situation

ANSWER_VALID_MS = 3_600_000
"""How long an answer may be acted on."""

_SLOTS_PER_PLACEMENT = 64
_CONTENT_STREAM = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionInputs:
    """All a decision looks at besides its plan; ``features`` is ``(n_features,)`` float32."""

    decision_id: DecisionId
    at_ms: int
    seed: int
    request: DecisionRequest
    features: NDArray[np.float32]
    consents: Mapping[int, bool]
    time_zone: str | None
    locale: str | None
    history: ContactHistory


@dataclass(frozen=True, slots=True)
class DrawnChoice:
    """The draw behind one choice: rows left for it, and their action probabilities."""

    slot: PlacementPlan
    rank: int
    row: int
    kept: NDArray[np.intp]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the pipeline answers, and what is to be reserved and recorded with it.

    ``horizons`` gives by choice when its waiting for an outcome ends, in ms since the epoch.
    """

    decision: Decision
    draws: tuple[DrawnChoice, ...]
    history: ContactHistory | None
    horizons: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one placement's candidates, all ``(n,)``; ``degraded`` names what failed."""

    propensities: NDArray[np.float64]
    scores: NDArray[np.float64]
    degraded: tuple[str, ...]


def score(slot: PlacementPlan, plan: Plan, row: NDArray[np.float32]) -> Scores:
    """Score a placement's candidates; where a model or the learner breaks, priors stand in."""
    degraded: tuple[str, ...] = ()
    logits = slot.model_logits(row)
    if not np.isfinite(logits).all():
        logits, degraded = slot.prior_logits, ("propensity",)
    learned = slot.learner.logits(logits, plan.learner_inputs(row))
    if np.isfinite(learned).all():
        logits = learned
    else:
        degraded = (*degraded, "bandit")
    propensities = 1.0 / (1.0 + np.exp(-logits))
    scores = expected_values(propensities, slot.values, slot.weights, slot.costs)
    return Scores(propensities, scores, degraded)


def situation_of(inputs: DecisionInputs, history: ContactHistory) -> Situation:
    """Return what the guardrails look at."""
    return Situation(
        customer_id=inputs.request.customer_id,
        at_ms=inputs.at_ms,
        symbols=inputs.features.astype(np.float64),
        consents=inputs.consents,
        time_zone=inputs.time_zone,
        history=history,
    )


def asked_for(slot: PlacementPlan, request: DecisionRequest) -> NDArray[np.bool_]:
    """Say which candidates the request's own filter leaves, ``(n,)``; ``no_action`` always."""
    if not request.actions and not request.terms:
        return np.ones(len(slot.actions), dtype=np.bool_)
    asked = [
        action.is_no_action
        or action.id in request.actions
        or any(action.has_term(term) for term in request.terms)
        for action in slot.actions
    ]
    return np.array(asked, dtype=np.bool_)


def decide(plan: Plan, inputs: DecisionInputs, arbiter: Arbiter | None = None) -> Decided:
    """Answer a request; ``arbiter`` replaces the plan's arbitration, never its guardrails."""
    state = _Answering(plan, inputs, arbiter)
    for position, request in enumerate(inputs.request.placements):
        state.fill(position, request)
    return state.decided()


class _Answering:
    """The answer as it grows: each choice counts as a contact for those after it."""

    def __init__(self, plan: Plan, inputs: DecisionInputs, arbiter: Arbiter | None) -> None:
        self._plan = plan
        self._inputs = inputs
        self._arbiter = arbiter
        self._history = inputs.history
        self._situation = situation_of(inputs, inputs.history)
        self._choices: list[Choice] = []
        self._draws: list[DrawnChoice] = []
        self._horizons: dict[int, int] = {}
        self._holdout = False
        self._degraded: set[str] = set()

    def fill(self, position: int, request: PlacementRequest) -> None:
        """Choose up to ``request.count`` actions for a placement; stop where nothing is best."""
        slot = self._plan.placements[request.id]
        scored = score(slot, self._plan, self._inputs.features)
        self._degraded.update(scored.degraded)
        left = asked_for(slot, self._inputs.request)
        for rank in range(1, request.count + 1):
            verdicts = slot.guards.evaluate(self._situation)
            self._holdout |= verdicts.holdout
            kept = np.flatnonzero(left & (verdicts.dropped_by < 0))
            probabilities = self._probabilities(slot, kept, scored)
            counter = position * _SLOTS_PER_PLACEMENT + rank
            index = draw(probabilities, uniform(self._inputs.seed, counter))
            drawn = DrawnChoice(slot, rank, int(kept[index]), kept, probabilities)
            nothing = drawn.row == 0
            if nothing and rank > 1:
                return
            self._add(drawn, float(probabilities[index]), scored, counter)
            if nothing:
                return
            left[drawn.row] = False
            contact = (self._inputs.at_ms // 1_000, slot.action_codes[drawn.row], slot.code)
            since = self._inputs.at_ms // 1_000 - self._plan.history_seconds
            self._history = self._history.extended([contact], keep_since_s=since)
            self._situation = situation_of(self._inputs, self._history)

    def decided(self) -> Decided:
        """Return the finished answer."""
        inputs = self._inputs
        decision = Decision(
            decision_id=inputs.decision_id,
            customer_id=inputs.request.customer_id,
            at_ms=inputs.at_ms,
            expires_at_ms=inputs.at_ms + ANSWER_VALID_MS,
            plan_version=self._plan.version,
            choices=tuple(self._choices),
            holdout=self._holdout,
            fallback="propensity" in self._degraded,
            degraded=tuple(sorted(self._degraded)),
            mode=inputs.request.mode,
        )
        changed = self._history is not inputs.history
        return Decided(
            decision=decision,
            draws=tuple(self._draws),
            history=self._history if changed else None,
            horizons=self._horizons,
        )

    def _probabilities(
        self, slot: PlacementPlan, kept: NDArray[np.intp], scored: Scores
    ) -> NDArray[np.float64]:
        scores = scored.scores[kept]
        if self._arbiter is None:
            return slot.arbitration.probabilities(kept, scores, self._plan.updates)
        return self._arbiter(
            ArbiterInput(
                actions=tuple(slot.action_ids[row] for row in kept),
                placement=slot.placement.id,
                customer_id=self._inputs.request.customer_id,
                at_ms=self._inputs.at_ms,
                context=self._inputs.request.context,
                scores=scores,
            )
        )

    def _add(self, drawn: DrawnChoice, probability: float, scored: Scores, counter: int) -> None:
        slot, row = drawn.slot, drawn.row
        locale = self._inputs.request.locale or self._inputs.locale
        variants = slot.contents_of(row, locale, self._plan.catalog.default_locale)
        content = None
        if variants:
            chance = uniform(self._inputs.seed, counter + _CONTENT_STREAM)
            content = variants[int(chance * len(variants))]
        self._horizons[len(self._choices)] = self._inputs.at_ms + slot.horizons_ms[row]
        self._draws.append(drawn)
        self._choices.append(
            Choice(
                placement=slot.placement.id,
                rank=drawn.rank,
                action=slot.action_ids[row],
                content=content.id if content else None,
                slots=content.slots if content else {},
                propensity=float(scored.propensities[row]),
                value=float(slot.values[row]),
                score=float(scored.scores[row]),
                probability=probability,
                reasons=_reasons(drawn, scored, holdout=self._holdout),
            )
        )


def _reasons(drawn: DrawnChoice, scored: Scores, *, holdout: bool) -> tuple[str, ...]:
    if holdout:
        return ("holdout",)
    if len(drawn.kept) == 1:
        return ("only_candidate_left",)
    scores = scored.scores[drawn.kept]
    highest = scored.scores[drawn.row] >= scores.max()
    reasons = ["highest_score" if highest else "explored"]
    if drawn.slot.guards.levers[drawn.row] != 1.0:
        reasons.append("lever")
    return tuple(reasons)
