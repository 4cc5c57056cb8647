"""Replay and explain: from a record and its plan alone, without side effects."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np

from nba.decision.answer import encode_answer
from nba.decision.pipeline import DecisionInputs, asked_for, decide, score, situation_of
from nba.decision.plan import PlacementPlan, Plan
from nba.decision.recording import named_features, recorded_inputs
from nba.ledger.records import DecisionRecord
from nba.policies import Drop


def replay(plan: Plan, record: DecisionRecord) -> bytes:
    """Decide again from the record alone; the same bytes as the recorded answer."""
    return encode_answer(decide(plan, recorded_inputs(record)).decision)


def explain(plan: Plan, record: DecisionRecord) -> dict[str, Any]:
    """Say for every candidate of every placement what dropped it, or how its score came about.

    ``replayed`` says whether deciding again gives the recorded answer to the byte.
    """
    inputs = recorded_inputs(record)
    return {
        "decision_id": record.decision_id,
        "customer_id": record.customer_id,
        "plan_version": record.plan_version,
        "models": dict(plan.source.model_versions),
        "seed": record.seed,
        "replayed": replay(plan, record) == record.answer,
        "answer": msgspec.json.decode(record.answer),
        "situation": _situation(plan, inputs),
        "placements": [
            _placement(plan, plan.placements[request.id], inputs, record)
            for request in inputs.request.placements
        ],
    }


def _situation(plan: Plan, inputs: DecisionInputs) -> dict[str, Any]:
    return {
        "features": named_features(plan.features, inputs.features),
        "time_zone": inputs.time_zone,
        "locale": inputs.locale,
        "contacts": len(inputs.history),
    }


def _placement(
    plan: Plan, slot: PlacementPlan, inputs: DecisionInputs, record: DecisionRecord
) -> dict[str, Any]:
    scored = score(slot, plan, inputs.features)
    dropped = slot.guards.explain(situation_of(inputs, inputs.history))
    left = asked_for(slot, inputs.request)
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
            "context_weight": float(slot.weights[row] / slot.guards.levers[row]),
            "lever": float(slot.guards.levers[row]),
            "cost": float(slot.costs[row]),
            "score": float(scored.scores[row]),
            "probability": chances.get(row, 0.0),
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


def _reasons(slot: PlacementPlan, drops: list[Drop], *, asked: bool) -> list[dict[str, Any]]:
    reasons = [asdict(slot.guards.reason(drop)) for drop in drops]
    if not asked:
        asked_out = {
            "code": "request.not_asked_for",
            "stage": "request",
            "policy": None,
            "sentence": "The request asked for other actions or terms.",
        }
        return [asked_out, *reasons]
    return reasons
