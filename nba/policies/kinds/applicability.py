"""``applicability``: does it fit this customer now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from nba.policies.condition import ConditionPolicy
from nba.policies.kind import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicability(ConditionPolicy):
    """Keeps only what makes sense as things are: what they hold, did, or asked for."""

    kind: Literal["applicability"] = "applicability"
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("applicability.not_met", "it does not fit the customer now"),
        Cause("applicability.unknown", "data is missing to say whether it fits"),
    )
