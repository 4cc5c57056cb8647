"""Deciding beside another system: what would have been chosen, and what counts is what it took.

The pipeline decides as it would live. What the other system took has happened whether the
guardrails like it or not, so it is what is counted as a contact and what outcomes are of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nba.decision.arbitration import Arbiter
from nba.decision.drawn import Decided, DrawnChoice
from nba.decision.pipeline import decide
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.scoring import score
from nba.decision.situations import DecisionInputs, asked_for, extended_history, situation_of
from nba.domain.clock import MILLISECONDS_PER_SECOND
from nba.domain.decision import Choice, DecisionRequest, Mode, TakenAction, TakenChoice
from nba.domain.history import Entry, contact_tag
from nba.domain.ids import ActionId, ContentId, PlacementId, hash32
from nba.errors import Fault
from nba.policies import Situation

NOT_ASKED_FOR = "request.not_asked_for"
"""The reason code of a candidate that the request's own filter leaves out."""

NO_CONTENT_LEFT = "content.none_left"
"""The reason code of an action that no content may be shown for."""


def decide_as_asked(plan: Plan, inputs: DecisionInputs, arbiter: Arbiter | None = None) -> Decided:
    """Answer a request, in shadow beside what was taken; see :func:`nba.decision.pipeline.decide`.

    In shadow the history and the horizons are of what was taken.
    """
    decided = decide(plan, inputs, arbiter)
    if inputs.request.mode is not Mode.SHADOW:
        return decided
    by_placement = {taken.placement: taken for taken in inputs.request.taken}
    ours: list[Entry] = []
    contacts: list[Entry] = []
    horizons: dict[int, int] = {}
    compared: list[TakenChoice] = []
    for number, drawn in enumerate(decided.draws):
        choice, slot = decided.decision.choices[number], drawn.slot
        taken = by_placement[slot.placement.id]
        situation = situation_of(
            inputs,
            extended_history(plan, inputs, ours) if ours else inputs.history,
            answered=len(ours),
        )
        row = slot.action_ids.index(taken.action)
        compared.append(_compared(plan, inputs, situation, drawn, choice, taken))
        if drawn.row != 0:
            ours.append(contact_of(slot, inputs, number, choice.action, choice.content))
        if row != 0:
            contacts.append(contact_of(slot, inputs, number, taken.action, taken.content))
        horizons[number] = inputs.at_ms + slot.horizons_ms[row]
    return replace(
        decided,
        decision=replace(decided.decision, taken=tuple(compared)),
        history=extended_history(plan, inputs, contacts) if contacts else None,
        horizons=horizons,
    )


def contact_of(
    slot: PlacementPlan, inputs: DecisionInputs, number: int, action: str, content: str | None
) -> Entry:
    """Return the contact that a choice is, given its position in the answer."""
    return Entry(
        at_s=inputs.at_ms // MILLISECONDS_PER_SECOND,
        action=slot.action_codes[slot.action_ids.index(ActionId(action))],
        placement=slot.code,
        tag=contact_tag(inputs.decision_id, number),
        content=0 if content is None else hash32(content),
    )


def _compared(
    plan: Plan,
    inputs: DecisionInputs,
    situation: Situation,
    drawn: DrawnChoice,
    choice: Choice,
    taken: TakenAction,
) -> TakenChoice:
    """Compare what was taken with the choice that was drawn in the same situation."""
    slot = drawn.slot
    row = slot.action_ids.index(taken.action)
    agrees = row == drawn.row
    propensity, scored = choice.propensity, choice.score
    if not agrees:
        found = score(slot, plan, inputs.features, slot.guards.weights(situation))
        propensity, scored = float(found.propensities[row]), float(found.scores[row])
    is_kept = drawn.kept == row
    dropped: tuple[str, ...] = ()
    if not is_kept.any():
        dropped = tuple(_dropped_by(plan, slot, inputs, situation, row))
    return TakenChoice(
        taken=taken,
        propensity=propensity,
        value=float(slot.values[row]),
        score=scored,
        agrees=agrees,
        shadow_action=choice.action,
        shadow_probability=float(drawn.probabilities[is_kept].sum()),
        would_have_been_dropped=dropped,
    )


def _dropped_by(
    plan: Plan, slot: PlacementPlan, inputs: DecisionInputs, situation: Situation, row: int
) -> Iterator[str]:
    """Yield the code of everything that drops a candidate, each once."""
    codes = [slot.guards.reason(drop).code for drop in slot.guards.explain(situation)[row]]
    asked = asked_for(plan, slot, inputs.request)
    if asked is not None and not asked[row]:
        yield NOT_ASKED_FOR
    yield from dict.fromkeys(codes)
    shown = slot.contents.open(situation)
    locale = inputs.request.locale or inputs.locale
    if shown is not None and not slot.contents.shown(shown, locale)[row]:
        yield NO_CONTENT_LEFT


def taken_faults(
    request: DecisionRequest, placements: Mapping[PlacementId, PlacementPlan]
) -> Iterator[Fault]:
    """Yield what is wrong about what a request says was taken."""
    if request.mode is not Mode.SHADOW:
        if request.taken:
            expected = f"mode {Mode.SHADOW.value!r}, or nothing taken"
            yield Fault("/taken", f"the mode is {request.mode.value!r}", expected)
        return
    for index, wanted in enumerate(request.placements):
        if wanted.count != 1:
            found = f"count is {wanted.count}"
            yield Fault(f"/placements/{index}/count", found, "1 in shadow: one is compared")
    named: set[PlacementId] = set()
    for index, taken in enumerate(request.taken):
        yield from _entry_faults(f"/taken/{index}", taken, request, placements)
        if taken.placement in named:
            found = f"placement {taken.placement!r} is named twice"
            yield Fault(f"/taken/{index}/placement", found, "say once what was taken in it")
        named.add(taken.placement)
    missing = [wanted.id for wanted in request.placements if wanted.id not in named]
    if missing:
        found = f"nothing is said of {', '.join(missing)}"
        yield Fault("/taken", found, "one entry for each placement asked for")


def _entry_faults(
    place: str,
    taken: TakenAction,
    request: DecisionRequest,
    placements: Mapping[PlacementId, PlacementPlan],
) -> Iterator[Fault]:
    slot = placements.get(taken.placement)
    if all(wanted.id != taken.placement for wanted in request.placements):
        found = f"placement {taken.placement!r} is not asked for"
        yield Fault(f"{place}/placement", found, "one of those in /placements")
    elif slot is not None:
        yield from _action_faults(place, taken, slot)
    if taken.probability is not None and not 0.0 < taken.probability <= 1.0:
        expected = "above 0 and up to 1; leave it out where it is not known"
        yield Fault(f"{place}/probability", f"it is {taken.probability}", expected)


def _action_faults(place: str, taken: TakenAction, slot: PlacementPlan) -> Iterator[Fault]:
    if taken.action not in slot.action_ids:
        known = ", ".join(sorted(slot.action_ids))
        found = f"action {taken.action!r} is unknown, or has no content in {taken.placement}"
        yield Fault(f"{place}/action", found, f"one of {known}")
    elif taken.content is not None and not _shows(slot, taken.action, taken.content):
        found = f"{taken.content!r} is no content of {taken.action} in {taken.placement}"
        yield Fault(f"{place}/content", found, "one of its contents there, or none")


def _shows(slot: PlacementPlan, action: ActionId, content: ContentId) -> bool:
    return any(one.id == content and one.action == action for one in slot.contents.rows)
