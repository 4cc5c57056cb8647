"""The decision pipeline: a pure function of a plan and what was read of one customer.

eligible ▸ features ▸ propensity ▸ value ▸ explore: what is looked at is in
:mod:`nba.decision.situations`, scores are made in :mod:`nba.decision.scoring`, and what comes out
is in :mod:`nba.decision.drawn`. Reserving and recording follow in :mod:`nba.decision.service`. The
same inputs give the same result to the byte, which is what replay and explain rest on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nba.bandits.draw import draw, uniform
from nba.decision.arbitration import Arbiter, ArbiterInput
from nba.decision.content_arbitration import probabilities_or_even
from nba.decision.drawn import Decided, DrawnChoice, DrawnContent
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.scoring import RankScores, Scores
from nba.decision.situations import DecisionInputs, asked_for, extended_history, situation_of
from nba.domain.catalog import Autonomy, Direction
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.decision import Choice, Decision, PlacementRequest
from nba.domain.history import ContactHistory, Entry, contact_tag
from nba.domain.ids import PlacementId, hash32
from nba.policies import Situation, Verdicts

ANSWER_VALID_MS = 3_600_000
"""How long an answer may be acted on."""

_SLOTS_PER_PLACEMENT = 1 << 16
_CONTENT_STREAM = 1 << 32
_CERTAIN = np.ones(1)


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
        by_rank = RankScores(slot, self._plan, self._inputs.features, weights)
        asked = asked_for(self._plan, slot, self._inputs.request)
        left = np.ones(len(slot.actions), dtype=np.bool_) if asked is None else asked
        for rank in range(1, request.count + 1):
            scored = by_rank.at(rank)
            self._degraded.update(scored.degraded)
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
            content = self._content(drawn, scored, counter, contents)
            drawn = replace(drawn, content=content)
            self._add(drawn, float(probabilities[index]), scored, reasons)
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
        scores = scored.estimate.each(lambda part: part[..., kept])
        if self._arbiter is None:
            bounds = slot.guards.era(self._inputs.at_ms)
            return slot.arbitration.probabilities(kept, scores, self._plan.updates, bounds)
        return self._arbiter(
            ArbiterInput(
                actions=tuple(slot.action_ids[row] for row in kept),
                placement=slot.placement.id,
                customer_id=self._inputs.request.customer_id,
                at_ms=self._inputs.at_ms,
                context=self._inputs.request.context,
                scores=scores.means,
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

    def _content(
        self,
        drawn: DrawnChoice,
        scored: Scores,
        counter: int,
        contents: NDArray[np.bool_] | None,
    ) -> DrawnContent | None:
        """Draw a content of the action drawn; ``contents`` says which are open."""
        slot, row = drawn.slot, drawn.row
        variants = slot.contents.variants(row, self._locale)
        if contents is not None:
            variants = variants[contents[variants]]
        if not len(variants):
            return None
        if len(variants) == 1:
            return DrawnContent(int(variants[0]), variants, _CERTAIN, 1.0)
        probabilities, usable = probabilities_or_even(
            slot.content_arbitration if self._arbiter is None else None,
            variants,
            float(scored.logits[row]),
            self._plan.learner_inputs(self._inputs.features),
            float(slot.values[row] * scored.weights[row]),
        )
        if not usable:
            self._degraded.add("content")
        index = draw(probabilities, uniform(self._inputs.seed, counter + _CONTENT_STREAM))
        chosen = int(variants[index])
        return DrawnContent(chosen, variants, probabilities, float(probabilities[index]))

    def _add(
        self,
        drawn: DrawnChoice,
        probability: float,
        scored: Scores,
        reasons: tuple[str, ...],
    ) -> None:
        slot, row, shown = drawn.slot, drawn.row, drawn.content
        content = None if shown is None else slot.contents.rows[shown.row]
        slots: Mapping[str, str] = {}
        if shown is not None:
            inputs = self._inputs
            slots = slot.contents.slots(shown.row, inputs.features, inputs.decision_id)
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
                content_probability=None if shown is None else shown.probability,
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
