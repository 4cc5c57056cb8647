"""``suitability``: should we say it to this customer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from nba.policies.condition import ConditionPolicy
from nba.policies.kind import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Suitability(ConditionPolicy):
    """Keeps only what is right to say: tact after a complaint, care with those who struggle."""

    kind: Literal["suitability"] = "suitability"
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("suitability.not_met", "it would be wrong to say now"),
        Cause("suitability.unknown", "data is missing to say whether it would be right"),
    )
