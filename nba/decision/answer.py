"""An answer as JSON: what the journey engine receives, and what the record keeps to the byte."""

from __future__ import annotations

from typing import Any

import msgspec

from nba.domain.clock import to_rfc3339
from nba.domain.decision import Choice, Decision

_encoder = msgspec.json.Encoder()


def encode_answer(decision: Decision) -> bytes:
    """Encode an answer; the same decision gives the same bytes."""
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
        }
    )


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
