"""Replay and explain: from a record and its plan alone, without side effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np

from nba.decision.answer import encode_answer
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.recording import named_features, recorded_inputs, recorded_variants
from nba.decision.scoring import Scores, score
from nba.decision.shadow import NOT_ASKED_FOR, contact_of, decide_as_asked
from nba.decision.situations import DecisionInputs, asked_for, extended_history, situation_of
from nba.domain.history import Entry
from nba.domain.ids import NO_ACTION, PlacementId
from nba.features.sensitivity import is_sensitive, sensitive_names
from nba.ledger.records import DecisionRecord
from nba.ledger.sealing import HIDDEN
from nba.policies import Drop, Situation


def replay(plan: Plan, record: DecisionRecord) -> bytes:
    """Decide again from the record alone; the same bytes as the recorded answer."""
    return encode_answer(decide_as_asked(plan, recorded_inputs(record)).decision)


def explain(plan: Plan, record: DecisionRecord) -> dict[str, Any]:
    """Say for every candidate of every placement what dropped it, or how its score came about.

    Each placement is shown as it was decided: with the contacts of those before it. In shadow
    ``taken`` says what another system took there. Values of sensitive features are hidden.
    ``replayed`` says whether deciding again gives the recorded answer to the byte.
    """
    inputs = recorded_inputs(record)
    answer = msgspec.json.decode(record.answer)
    said = [
        (
            choice["placement"],
            contact_of(
                plan.placements[PlacementId(choice["placement"])],
                inputs,
                number,
                choice["action"],
                choice["content"],
            ),
        )
        for number, choice in enumerate(answer["choices"])
        if choice["action"] != NO_ACTION
    ]
    placements = []
    for position, request in enumerate(inputs.request.placements):
        before = {earlier.id for earlier in inputs.request.placements[:position]}
        contacts = [contact for placement, contact in said if placement in before]
        slot = plan.placements[request.id]
        shown = _placement(plan, slot, inputs, contacts, record, answer["choices"])
        if "taken" in answer:
            shown["taken"] = answer["taken"][position]
        placements.append(shown)
    return {
        "decision_id": record.decision_id,
        "customer_id": record.customer_id,
        "plan_version": record.plan_version,
        "models": dict(plan.source.model_versions),
        "seed": record.seed,
        "replayed": replay(plan, record) == record.answer,
        "answer": answer,
        "situation": _situation(plan, inputs),
        "placements": placements,
    }


def _situation(plan: Plan, inputs: DecisionInputs) -> dict[str, Any]:
    sensitive = sensitive_names(plan.features)
    features = named_features(plan.features, inputs.features)
    return {
        "features": {
            name: HIDDEN if value is not None and is_sensitive(name, sensitive) else value
            for name, value in features.items()
        },
        "time_zone": inputs.time_zone,
        "locale": inputs.locale,
        "contacts": len(inputs.history.contacts),
    }


def _placement(
    plan: Plan,
    slot: PlacementPlan,
    inputs: DecisionInputs,
    contacts: Sequence[Entry],
    record: DecisionRecord,
    choices: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    drawn_contents = _drawn_contents(slot, record, choices)
    history = extended_history(plan, inputs, contacts) if contacts else inputs.history
    situation = situation_of(inputs, history, answered=len(contacts))
    weights = slot.guards.weights(situation)
    scored = score(slot, plan, inputs.features, weights)
    dropped = slot.guards.explain(situation)
    shown = _contents(slot, situation, inputs.request.locale or inputs.locale, drawn_contents)
    left = asked_for(plan, slot, inputs.request)
    drawn = next(
        (d for d in record.draws if d.placement == slot.placement.id and d.rank == 1), None
    )
    chances: dict[int, float] = {}
    if drawn is not None:
        kept = np.frombuffer(drawn.kept, dtype="<u2").tolist()
        chances = dict(
            zip(kept, np.frombuffer(drawn.probabilities, dtype="<f4").tolist(), strict=True)
        )
    model_logits = slot.model_logits(inputs.features)
    candidates = [
        {
            "action": slot.action_ids[row],
            "dropped_by": _reasons(slot, dropped[row], asked=left is None or bool(left[row])),
            "model_propensity": float(1.0 / (1.0 + np.exp(-model_logits[row]))),
            "propensity": float(scored.propensities[row]),
            "value": float(slot.values[row]),
            "declared_value": float(slot.declared[row]),
            "goals": _goals(slot, scored, row),
            "learned": 0.0 if scored.learned is None else float(scored.learned[row]),
            "context_weight": float(slot.weights[row]),
            "lever": float(weights[row]),
            "cost": float(slot.costs[row]),
            "score": float(scored.scores[row]),
            "deviation": None if scored.deviations is None else float(scored.deviations[row]),
            "probability": chances.get(row, 0.0),
            "contents": shown[row],
        }
        for row in range(len(slot.actions))
    ]
    without = [
        action.id for action in plan.catalog.actions if action.id not in set(slot.action_ids)
    ]
    return {
        "placement": slot.placement.id,
        "autonomy": slot.placement.autonomy,
        "candidates": candidates,
        "no_content_here": without,
    }


def _goals(slot: PlacementPlan, scored: Scores, row: int) -> dict[str, dict[str, float]]:
    """Return what a candidate's goals count for, by kind."""
    if slot.goals is None or scored.goals is None:
        return {}
    return {
        slot.goals.kinds[at]: {
            "propensity": float(scored.goals.propensities[at]),
            "value": float(slot.goals.values[at]),
        }
        for at in slot.goals.of(row)
    }


def _drawn_contents(
    slot: PlacementPlan, record: DecisionRecord, choices: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    """Return for every action chosen the recorded chance of each content that was left."""
    found: dict[str, dict[str, float]] = {}
    for choice, drawn in zip(choices, record.draws, strict=True):
        if drawn.placement != slot.placement.id or choice["content"] is None:
            continue
        chances = recorded_variants(drawn)
        named: dict[str, float] = {
            slot.contents.rows[row].id: chance for row, chance in chances.items()
        }
        found[choice["action"]] = named or {choice["content"]: 1.0}
    return found


def _contents(
    slot: PlacementPlan,
    situation: Situation,
    locale: str | None,
    drawn: Mapping[str, Mapping[str, float]],
) -> list[list[dict[str, Any]]]:
    """Return for every candidate its variants in the locale, and what drops each of them.

    The chance of a variant is that with which it was drawn, given the action; ``None`` for actions
    that were not chosen, as nothing was drawn among theirs.
    """
    guards = slot.contents.guards
    drops = None if guards is None else guards.explain(situation)

    def variant(row: int, chances: Mapping[str, float] | None) -> dict[str, Any]:
        name = slot.contents.rows[row].id
        dropped = [] if guards is None or drops is None else map(guards.reason, drops[row])
        return {
            "content": name,
            "dropped_by": [asdict(reason) for reason in dropped],
            "probability": None if chances is None else chances.get(name, 0.0),
        }

    return [
        [variant(row, drawn.get(action)) for row in slot.contents.variants(at, locale).tolist()]
        for at, action in enumerate(slot.action_ids)
    ]


def _reasons(slot: PlacementPlan, drops: list[Drop], *, asked: bool) -> list[dict[str, Any]]:
    reasons = [asdict(slot.guards.reason(drop)) for drop in drops]
    if not asked:
        asked_out = {
            "code": NOT_ASKED_FOR,
            "stage": "request",
            "policy": None,
            "sentence": "The request asked for other actions or terms.",
        }
        return [asked_out, *reasons]
    return reasons
