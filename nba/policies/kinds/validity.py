"""``validity``: nothing is said before it starts, after it ends, or while it is out of date.

It is no policy that anybody writes: it stands for the dates of actions and contents themselves, and
for contents whose master has changed, where the project withholds them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from nba.domain.catalog import Action, Content
from nba.domain.ids import PolicyId
from nba.domain.validity import bounds_ms
from nba.policies.kind import Cause, PolicyKind
from nba.policies.situation import Candidates, Situation
from nba.policies.stage import FIRST_CAUSE, OPEN, SECOND_CAUSE, Gate, Selected, Stage, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity(PolicyKind):
    """Drops what has not started yet, what has ended, and what is out of date."""

    kind: Literal["validity"] = "validity"
    causes: ClassVar[tuple[Cause, ...]] = (
        Cause("validity.not_started", "it has not started yet"),
        Cause("validity.ended", "it has ended"),
        Cause("validity.stale", "its master has changed and nobody has confirmed it since"),
    )

    def sentence(self, cause: int) -> str:
        """Say which."""
        return f"{self.description} ({self.causes[cause].meaning})"


_STALE_CAUSE = 3

VALIDITY = Validity(id=PolicyId("validity"), description="What is said has dates of its own.")
"""Stands for all dates of actions and contents."""


def is_dated(candidates: Candidates) -> bool:
    """Say whether any candidate has dates, or is withheld."""
    items: Sequence[Action | Content] = candidates.contents or candidates.actions
    return bool(candidates.withheld) or any(item.starts or item.ends for item in items)


def compile_validity(selected: Sequence[Selected[Validity]], surroundings: Surroundings) -> Stage:
    """Compile: one gate that closes row by row, as the dates of each row say."""
    candidates = surroundings.candidates
    items: Sequence[Action | Content] = candidates.contents or candidates.actions
    bounds = [bounds_ms(item.starts, item.ends) for item in items]
    moments = sorted({moment for pair in bounds for moment in pair if moment is not None})
    if not selected:
        return Stage(())
    causes = np.array(
        [[_cause(pair, at_ms) for pair in bounds] for at_ms in (None, *moments)], dtype=np.uint8
    )
    causes[:, [item.id in candidates.withheld for item in items]] = _STALE_CAUSE
    first = surroundings.first_shut

    return Stage(
        (Gate(selected[0].index, selected[0].rows, by_row=True),),
        partial(_close, causes, moments, first),
    )


def _close(
    causes: NDArray[np.uint8],
    moments: Sequence[int],
    first: int,
    situation: Situation,
    _closed: NDArray[np.uint8],
    shut: NDArray[np.uint8],
) -> None:
    shut[first] = causes[bisect_right(moments, situation.at_ms)]


def _cause(bounds: tuple[int | None, int | None], at_ms: int | None) -> int:
    """Return why something does not hold at a moment; ``None`` is before all others."""
    starts, ends = bounds
    if starts is not None and (at_ms is None or at_ms < starts):
        return FIRST_CAUSE
    return SECOND_CAUSE if at_ms is not None and ends is not None and at_ms >= ends else OPEN
