"""``holdout``: customers left alone, so that what the rest is worth can be measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.domain.ids import uniform_hash
from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.situation import Situation
from nba.policies.stage import FIRST_CAUSE, Gate, Selected, Stage, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout(PolicyKind):
    """Drops everything selected for a ``share`` of customers, always the same for one ``salt``."""

    kind: Literal["holdout"] = "holdout"
    share: float
    salt: str
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("holdout.held_out", "the customer is in the group left alone for measurement"),
    )

    def problems(self) -> Iterator[Problem]:
        """Refuse shares that are none, and an empty salt."""
        if not 0.0 <= self.share <= 1.0:
            yield Problem("share", f"share {self.share:g}", "between 0 and 1, such as 0.05")
        if not self.salt:
            yield Problem("salt", "an empty salt", "any word; another word draws another group")

    def sentence(self, cause: int) -> str:
        """Say how large the group is."""
        return f"{self.description} ({self.share:.1%} held out; {self.causes[cause].meaning})"


def compile_holdouts(selected: Sequence[Selected[Holdout]], surroundings: Surroundings) -> Stage:
    """Compile: one gate a policy."""
    gates = tuple(Gate(item.index, item.rows) for item in selected)
    groups = [
        (surroundings.first_gate + position, item.policy.salt, item.policy.share)
        for position, item in enumerate(selected)
    ]

    def close(situation: Situation, closed: NDArray[np.uint8], _: NDArray[np.uint8]) -> None:
        for gate, salt, share in groups:
            if uniform_hash(salt, situation.customer_id) < share:
                closed[gate] = FIRST_CAUSE

    return Stage(gates, close)
