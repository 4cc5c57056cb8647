"""An answer as JSON: what the journey engine receives, and what the record keeps to the byte."""

from __future__ import annotations

from typing import Any

import msgspec

from nba.domain.clock import to_rfc3339
from nba.domain.decision import Choice, Decision, Mode, TakenChoice

_encoder = msgspec.json.Encoder()


def encode_answer(decision: Decision) -> bytes:
    """Encode an answer; the same decision gives the same bytes."""
    in_shadow = decision.mode is Mode.SHADOW
    return _encoder.encode(
        {
            "decision_id": decision.decision_id,
            "customer_id": decision.customer_id,
            "at": to_rfc3339(decision.at_ms),
            "expires_at": to_rfc3339(decision.expires_at_ms),
            "plan_version": decision.plan_version,
            "choices": [_choice(choice) for choice in decision.choices],
            "holdout": decision.holdout,
            "fallback": decision.fallback,
            "degraded": decision.degraded,
            "mode": decision.mode,
            "not_before": {
                placement: to_rfc3339(at_ms) for placement, at_ms in decision.not_before.items()
            },
            **({"taken": [_taken(choice) for choice in decision.taken]} if in_shadow else {}),
        }
    )


def said_choices(answer: bytes) -> list[dict[str, Any]]:
    """Return what was said to the customer: in shadow what another system took, else the choices.

    Outcomes, contacts and rows of the log are of these, by their position.
    """
    decoded = msgspec.json.decode(answer)
    said: list[dict[str, Any]] = decoded.get("taken", decoded["choices"])
    return said


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "placement": choice.placement,
        "rank": choice.rank,
        "action": choice.action,
        "content": choice.content,
        "slots": choice.slots,
        "propensity": choice.propensity,
        "value": choice.value,
        "score": choice.score,
        "probability": choice.probability,
        "content_probability": choice.content_probability,
        "reasons": choice.reasons,
    }


def _taken(choice: TakenChoice) -> dict[str, Any]:
    taken = choice.taken
    return {
        "placement": taken.placement,
        "rank": 1,
        "action": taken.action,
        "content": taken.content,
        "propensity": choice.propensity,
        "value": choice.value,
        "score": choice.score,
        "probability": taken.probability,
        "agrees": choice.agrees,
        "shadow_action": choice.shadow_action,
        "shadow_probability": choice.shadow_probability,
        "would_have_been_dropped": choice.would_have_been_dropped,
    }
