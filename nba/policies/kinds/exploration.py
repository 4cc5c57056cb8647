"""``exploration``: the least and the largest chance a candidate may be drawn with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.policies.kind import Cause, PolicyKind, Problem
from nba.policies.stage import Selected

HIGHEST_FLOOR = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration(PolicyKind):
    """Bounds the action probability of everything selected: ``floor`` to ``max_share``, each."""

    kind: Literal["exploration"] = "exploration"
    floor: float = 0.0
    max_share: float = 1.0
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("exploration.bounded", "its chance to be drawn is bounded"),
    )

    def problems(self) -> Iterator[Problem]:
        """Refuse bounds that are none or contradict each other."""
        if not 0.0 <= self.floor <= HIGHEST_FLOOR:
            expected = f"between 0 and {HIGHEST_FLOOR:g}"
            yield Problem("floor", f"floor {self.floor:g}", expected)
        if not 0.0 < self.max_share <= 1.0:
            yield Problem("max_share", f"max_share {self.max_share:g}", "above 0, at most 1")
        if self.floor > self.max_share:
            found = f"floor {self.floor:g} is above max_share {self.max_share:g}"
            yield Problem("floor", found, "at most max_share")

    def sentence(self, cause: int) -> str:
        """Say within what."""
        bounds = f"{self.floor:g} to {self.max_share:g}"
        return f"{self.description} ({self.causes[cause].meaning}: {bounds})"


def compile_exploration(
    selected: Sequence[Selected[Exploration]], *, n_candidates: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the floor and the ceiling of every candidate, each ``(n_candidates,)``.

    The strictest of all policies holds; where a floor of one meets a lower ceiling of another, the
    ceiling does.
    """
    floors = np.zeros(n_candidates)
    ceilings = np.ones(n_candidates)
    for item in selected:
        floors[item.rows] = np.maximum(floors[item.rows], item.policy.floor)
        ceilings[item.rows] = np.minimum(ceilings[item.rows], item.policy.max_share)
    return np.minimum(floors, ceilings), ceilings
