"""``lever``: a bounded weight that makes the selected count for more, or for less."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.stage import Selected

LOWEST_WEIGHT = 0.1
HIGHEST_WEIGHT = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever(PolicyKind):
    """Multiplies the expected value of everything selected by ``weight``, 0.1 to 10."""

    kind: Literal["lever"] = "lever"
    weight: float
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("lever.weighted", "its expected value is multiplied"),
    )

    def problems(self) -> Iterator[Problem]:
        """Refuse weights that would decide by themselves."""
        if not LOWEST_WEIGHT <= self.weight <= HIGHEST_WEIGHT:
            expected = f"between {LOWEST_WEIGHT:g} and {HIGHEST_WEIGHT:g}"
            yield Problem("weight", f"weight {self.weight:g}", expected)

    def sentence(self, cause: int) -> str:
        """Say by how much."""
        return f"{self.description} ({self.causes[cause].meaning} by {self.weight:g})"


def compile_levers(
    selected: Sequence[Selected[Lever]], *, n_candidates: int
) -> NDArray[np.float64]:
    """Return the weight of every candidate, ``(n_candidates,)``: all its levers multiplied.

    Together they stay within the bounds of one.
    """
    weights = np.ones(n_candidates)
    for item in selected:
        weights[item.rows] *= item.policy.weight
    return np.clip(weights, LOWEST_WEIGHT, HIGHEST_WEIGHT)
