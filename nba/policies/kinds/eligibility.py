"""``eligibility``: may this customer ever have this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from nba.policies.condition import ConditionPolicy
from nba.policies.kind import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility(ConditionPolicy):
    """Keeps only what the customer may have at all: age, standing, employment, law."""

    kind: Literal["eligibility"] = "eligibility"
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("eligibility.not_met", "the customer may not have it"),
        Cause("eligibility.unknown", "data is missing to say whether the customer may have it"),
    )
