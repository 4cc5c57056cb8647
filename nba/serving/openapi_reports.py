"""What reports answer, as schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from nba.serving.openapi_parts import (
    FLAG,
    ID,
    NUMBER,
    TEXT,
    WHOLE,
    listed,
    or_null,
    thing,
)

_INTERVAL = thing(
    {name: or_null(NUMBER) for name in ("value", "low", "high")},
    "With the 95 % interval; null where the log says nothing about it.",
)
_ROW = thing(
    {
        "name": TEXT,
        **dict.fromkeys(("ips", "snips", "dr"), _INTERVAL),
        "effective_sample_size": NUMBER,
        "measured": FLAG,
        "refused": listed(TEXT),
    },
    "Reward less cost per decision. Where `refused` has reasons, no estimate is to be quoted.",
)
_PLACEMENT = thing(
    {
        "placement": ID,
        **dict.fromkeys(("decisions", "customers", "resolved"), WHOLE),
        **dict.fromkeys(("agreement", "dropped"), NUMBER),
        "dropped_by": {"type": "object", "additionalProperties": WHOLE},
        "probabilities": {"enum": ["shadow", "shadow:estimated"]},
        "estimated": WHOLE,
        "best_constant": TEXT,
        "rows": listed(_ROW),
        "note": TEXT,
    }
)

SHADOW_REPORT: dict[str, Any] = {"ShadowReport": thing({"placements": listed(_PLACEMENT)})}
