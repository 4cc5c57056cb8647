"""What the pipeline hands on: an answer, the draws behind it, and what is to be reserved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.decision.plan import PlacementPlan
from nba.domain.decision import Decision
from nba.domain.history import ContactHistory


@dataclass(frozen=True, slots=True)
class DrawnContent:
    """The draw behind one content: variants left for the action, and their chances, ``(n,)``."""

    row: int
    variants: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    probability: float


@dataclass(frozen=True, slots=True)
class DrawnChoice:
    """The draw behind one choice: rows left for it, and their action probabilities."""

    slot: PlacementPlan
    rank: int
    row: int
    kept: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    content: DrawnContent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the pipeline answers, and what is to be reserved and recorded with it.

    ``horizons`` gives by choice when its waiting for an outcome ends, in ms since the epoch.
    """

    decision: Decision
    draws: tuple[DrawnChoice, ...]
    history: ContactHistory | None
    horizons: Mapping[int, int]
