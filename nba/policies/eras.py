"""Eras: the stretches of time over which the same policies hold.

Policies start and end, and a plan keeps them all. What holds at a moment is looked up by the
moment, so that nothing has to be published for a policy to end, and an earlier decision is decided
again as it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.domain.policy import Policy
from nba.domain.validity import bounds_ms
from nba.policies.kinds import Exploration, Lever
from nba.policies.kinds.exploration import compile_exploration
from nba.policies.kinds.lever import compile_levers
from nba.policies.stage import Gate, Selected


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """What holds over a stretch of time.

    ``active`` says which gates can close, ``(n_gates,) uint8``. ``levers``, ``floors`` and
    ``ceilings`` are ``(n_candidates,) float64``: weights on expected value, and bounds on action
    probability; ``bounded`` says whether any bound binds.
    """

    active: NDArray[np.uint8]
    levers: NDArray[np.float64]
    floors: NDArray[np.float64]
    ceilings: NDArray[np.float64]
    bounded: bool


class Eras:
    """All eras of a placement's policies.

    Parameters
    ----------
    policies
        All policies, as gates refer to them.
    gates
        The gates they became.
    levers, explorations
        What shapes the candidates left.
    n_candidates
        How many there are.

    """

    def __init__(
        self,
        policies: Sequence[Policy],
        gates: Sequence[Gate],
        levers: Sequence[Selected[Lever]],
        explorations: Sequence[Selected[Exploration]],
        *,
        n_candidates: int,
    ) -> None:
        bounds = [bounds_ms(policy.starts, policy.ends) for policy in policies]
        self._moments = sorted({moment for pair in bounds for moment in pair if moment is not None})
        self._eras: list[Era] = []
        for at_ms in (None, *self._moments):
            holds = [_holds(pair, at_ms) for pair in bounds]
            floors, ceilings = compile_exploration(
                [item for item in explorations if holds[item.index]], n_candidates=n_candidates
            )
            self._eras.append(
                Era(
                    active=np.array([holds[gate.policy] for gate in gates], dtype=np.uint8),
                    levers=compile_levers(
                        [item for item in levers if holds[item.index]], n_candidates=n_candidates
                    ),
                    floors=floors,
                    ceilings=ceilings,
                    bounded=bool((floors > 0.0).any() or (ceilings < 1.0).any()),
                )
            )

    def at(self, at_ms: int) -> Era:
        """Return the era of a moment."""
        if not self._moments:
            return self._eras[0]
        return self._eras[bisect_right(self._moments, at_ms)]


def _holds(bounds: tuple[int | None, int | None], at_ms: int | None) -> bool:
    """Say whether something holds at a moment; ``None`` is before all others."""
    starts, ends = bounds
    if at_ms is None:
        return starts is None
    return (starts is None or at_ms >= starts) and (ends is None or at_ms < ends)
