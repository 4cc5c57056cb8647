"""The decision pipeline: a pure function of a plan and what was read of one customer.

eligible ▸ features ▸ propensity ▸ value ▸ explore; reserving and recording follow in
:mod:`nba.decision.service`. The same inputs give the same result to the byte, which is what replay
and explain rest on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nba.bandits.draw import draw, uniform
from nba.decision.arbitration import Arbiter, ArbiterInput
from nba.decision.kernels import expected_values
from nba.decision.plan import PlacementPlan, Plan
from nba.domain.catalog import Autonomy, Content, Direction
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.decision import Choice, Decision, DecisionRequest, PlacementRequest
from nba.domain.history import ContactHistory, Entry, contact_tag
from nba.domain.ids import DecisionId, PlacementId, hash32
from nba.errors import InputError
from nba.policies import Situation, Verdicts

ANSWER_VALID_MS = 3_600_000
"""How long an answer may be acted on."""

_SLOTS_PER_PLACEMENT = 1 << 16
_CONTENT_STREAM = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionInputs:
    """All a decision looks at besides its plan; ``features`` is ``(n_features,)`` float32.

    ``shared`` is what policies know that is the same for all customers; see
    :class:`~nba.policies.Situation`.
    """

    decision_id: DecisionId
    at_ms: int
    seed: int
    request: DecisionRequest
    features: NDArray[np.float32]
    consents: Mapping[int, bool]
    time_zone: str | None
    locale: str | None
    history: ContactHistory
    shared: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


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
    """Scores of one placement's candidates, all ``(n,)``; ``degraded`` names what failed.

    ``deviations`` are the scores' standard deviations in currency, where exploration asks for them
    and the learner did not fail.
    """

    propensities: NDArray[np.float64]
    scores: NDArray[np.float64]
    degraded: tuple[str, ...]
    deviations: NDArray[np.float64] | None = None


def score(
    slot: PlacementPlan, plan: Plan, row: NDArray[np.float32], weights: NDArray[np.float64]
) -> Scores:
    """Score a placement's candidates; where a model or the learner breaks, priors stand in.

    ``weights`` is what the guardrails make each candidate count for, ``(n,)``.
    """
    weights = slot.weights * weights
    logits = slot.model_logits(row)
    degraded: tuple[str, ...] = ()
    variances: NDArray[np.float64] | None = None
    try:
        logits, variances = slot.learner.estimate(logits, plan.learner_inputs(row))
    except InputError:
        degraded, variances = ("bandit",), None
    propensities, scores, finite = _valued(slot, logits, weights)
    if not finite:
        propensities, scores, _ = _valued(slot, slot.prior_logits, weights)
        degraded, variances = ("propensity",), None
    deviations = None
    if variances is not None and slot.arbitration.uses_deviations:
        deviations = _deviations(slot, propensities, variances, weights)
        if not np.isfinite(deviations).all():
            degraded, deviations = ("bandit",), None
    return Scores(propensities, scores, degraded, deviations)


def _deviations(
    slot: PlacementPlan,
    propensities: NDArray[np.float64],
    variances: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the scores' deviations from their logits' variances, by the delta method."""
    slopes = slot.values * weights * propensities * (1.0 - propensities)
    with np.errstate(invalid="ignore"):  # a learner that answers nonsense is told from the result
        deviations: NDArray[np.float64] = np.abs(slopes) * np.sqrt(variances)
    return deviations


def _valued(
    slot: PlacementPlan, logits: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    valued: tuple[NDArray[np.float64], NDArray[np.float64], bool] = expected_values(
        logits, slot.values, weights, slot.costs
    )
    return valued


def situation_of(
    inputs: DecisionInputs, history: ContactHistory, *, answered: int = 0
) -> Situation:
    """Return what the guardrails look at; the last ``answered`` contacts are the answer's own."""
    return Situation(
        customer_id=inputs.request.customer_id,
        at_ms=inputs.at_ms,
        symbols=inputs.features.astype(np.float64),
        consents=inputs.consents,
        time_zone=inputs.time_zone,
        history=history,
        answer_from=len(history) - answered,
        shared=inputs.shared,
    )


def extended_history(
    plan: Plan, inputs: DecisionInputs, contacts: Sequence[Entry]
) -> ContactHistory:
    """Return the history with the answer's own contacts, as far back as any policy looks."""
    since_s = inputs.at_ms // MILLISECONDS_PER_SECOND - plan.history_seconds
    return inputs.history.extended(contacts, keep_since_s=since_s)


def asked_for(
    plan: Plan, slot: PlacementPlan, request: DecisionRequest
) -> NDArray[np.bool_] | None:
    """Say which candidates the request's own filter leaves, ``(n,)``; ``no_action`` always.

    Terms may be named as they once were. ``None`` is a request without a filter: all of them.
    """
    if not request.actions and not request.terms:
        return None
    terms = plan.catalog.taxonomy.present(request.terms)
    asked = [
        action.is_no_action
        or action.id in request.actions
        or any(action.has_term(term) for term in terms)
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
        self._situation = situation_of(inputs, inputs.history)
        self._contacts: list[Entry] = []
        self._choices: list[Choice] = []
        self._draws: list[DrawnChoice] = []
        self._horizons: dict[int, int] = {}
        self._holdout = False
        self._degraded: set[str] = set()
        self._not_before: dict[PlacementId, int] = {}

    def fill(self, position: int, request: PlacementRequest) -> None:
        """Choose up to ``request.count`` actions for a placement; stop where nothing is best."""
        slot = self._plan.placements[request.id]
        situation = self._now()
        weights = slot.guards.weights(situation)
        scored = score(slot, self._plan, self._inputs.features, weights)
        self._degraded.update(scored.degraded)
        asked = asked_for(self._plan, slot, self._inputs.request)
        left = np.ones(len(slot.actions), dtype=np.bool_) if asked is None else asked
        for rank in range(1, request.count + 1):
            situation = situation if rank == 1 else self._now()
            verdicts = slot.guards.evaluate(situation)
            contents = slot.contents.open(situation)
            self._holdout |= verdicts.holdout
            among = left
            if contents is not None:
                among = left & slot.contents.shown(contents, self._locale)
            kept = np.flatnonzero(among & (verdicts.dropped_by < 0))
            scores = scored.scores[kept]
            probabilities = self._probabilities(slot, kept, scored)
            counter = position * _SLOTS_PER_PLACEMENT + rank
            index = draw(probabilities, uniform(self._inputs.seed, counter))
            drawn = DrawnChoice(slot, rank, int(kept[index]), kept, probabilities)
            nothing = drawn.row == 0
            if rank == 1:
                self._wait(slot, verdicts, situation, among)
            if nothing and rank > 1:
                return
            reason = "highest_score"
            if self._arbiter is None and slot.placement.autonomy is Autonomy.RULES:
                reason = "highest_priority"
            elif scores[index] < scores[probabilities > 0.0].max():
                reason = "explored"
            held_out = nothing and verdicts.holdout
            lever = float(slot.guards.era(self._inputs.at_ms).levers[drawn.row])
            boosted = float(weights[drawn.row]) != lever
            reasons = _reasons(drawn, reason, holdout=held_out, lever=lever, boosted=boosted)
            self._add(drawn, float(probabilities[index]), scored, counter, reasons, contents)
            if nothing:
                return
            left[drawn.row] = False

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
            not_before=self._not_before,
        )
        return Decided(
            decision=decision,
            draws=tuple(self._draws),
            history=self._extended() if self._contacts else None,
            horizons=self._horizons,
        )

    def _now(self) -> Situation:
        """Return the situation with the contacts this answer has made so far."""
        if not self._contacts:
            return self._situation
        return situation_of(self._inputs, self._extended(), answered=len(self._contacts))

    def _extended(self) -> ContactHistory:
        return extended_history(self._plan, self._inputs, self._contacts)

    def _probabilities(
        self, slot: PlacementPlan, kept: NDArray[np.intp], scored: Scores
    ) -> NDArray[np.float64]:
        scores = scored.scores[kept]
        if self._arbiter is None:
            bounds = slot.guards.era(self._inputs.at_ms)
            deviations = None if scored.deviations is None else scored.deviations[kept]
            return slot.arbitration.probabilities(
                kept, scores, self._plan.updates, bounds, deviations
            )
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

    def _wait(
        self,
        slot: PlacementPlan,
        verdicts: Verdicts,
        situation: Situation,
        among: NDArray[np.bool_],
    ) -> None:
        """Note when something may be sent that quiet hours alone hold back."""
        if slot.placement.direction is not Direction.OUTBOUND:
            return
        not_before_ms = slot.guards.not_before(verdicts, situation, among)
        if not_before_ms is not None:
            self._not_before[slot.placement.id] = not_before_ms

    @property
    def _locale(self) -> str | None:
        return self._inputs.request.locale or self._inputs.locale

    def _add(
        self,
        drawn: DrawnChoice,
        probability: float,
        scored: Scores,
        counter: int,
        reasons: tuple[str, ...],
        contents: NDArray[np.bool_] | None,
    ) -> None:
        slot, row = drawn.slot, drawn.row
        variants = slot.contents.variants(row, self._locale)
        if contents is not None:
            variants = variants[contents[variants]]
        content: Content | None = None
        slots: Mapping[str, str] = {}
        if len(variants):
            chance = uniform(self._inputs.seed, counter + _CONTENT_STREAM)
            variant = int(variants[int(chance * len(variants))])
            content = slot.contents.rows[variant]
            slots = slot.contents.slots(variant, self._inputs.features, self._inputs.decision_id)
        if row != 0:
            self._contacts.append(
                Entry(
                    at_s=self._inputs.at_ms // MILLISECONDS_PER_SECOND,
                    action=slot.action_codes[row],
                    placement=slot.code,
                    tag=contact_tag(self._inputs.decision_id, len(self._choices)),
                    content=0 if content is None else hash32(content.id),
                )
            )
        self._horizons[len(self._choices)] = self._inputs.at_ms + slot.horizons_ms[row]
        self._draws.append(drawn)
        self._choices.append(
            Choice(
                placement=slot.placement.id,
                rank=drawn.rank,
                action=slot.action_ids[row],
                content=content.id if content else None,
                slots=slots,
                propensity=float(scored.propensities[row]),
                value=float(slot.values[row]),
                score=float(scored.scores[row]),
                probability=probability,
                reasons=reasons,
            )
        )


def _reasons(
    drawn: DrawnChoice, reason: str, *, holdout: bool, lever: float, boosted: bool
) -> tuple[str, ...]:
    if holdout:
        return ("holdout",)
    if len(drawn.kept) == 1:
        return ("only_candidate_left",)
    if reason == "highest_priority":
        return (reason,)
    weights = {"lever": lever != 1.0, "budget.boosted": boosted}
    return (reason, *(name for name, counts in weights.items() if counts))
