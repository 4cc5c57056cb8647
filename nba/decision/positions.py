"""Ranks below the first: what is looked at less often is expected to bring less, and teaches less.

A customer who looks at a rank ``e`` times as often as at the first does what is desired there with
``e`` times the chance. That is the propensity the models give there, and what the learner corrects:
both when deciding and when it is taught, so that an action is not blamed for where it stood.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nba.bandits import Correction
from nba.domain.catalog import Placement


def logits_at(placement: Placement, logits: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """Return the models' logits ``(n,)`` as they are at a rank, which is counted from 1.

    With effect ``e`` the logit of a propensity ``p`` becomes that of ``e p``. The first candidate
    is ``no_action``, which is shown nowhere: its own stays. Where the effect is 1 all do, to the
    last bit. So does what is not finite, for whoever looks to find that a model is broken.
    """
    effect = placement.effect_at(rank)
    if effect == 1.0:
        return logits
    shifted = logits.copy()
    shown = np.isfinite(logits)
    shown[0] = False
    shifted[shown] = looked_at(logits[shown], effect)
    return shifted


def correction_at(placement: Placement, correction: Correction, rank: int) -> Correction:
    """Return a correction of the first rank as it is at another; logits are of that one already.

    What is added to rewards comes where the rank is looked at, except for ``no_action``.
    """
    effect = placement.effect_at(rank)
    if effect == 1.0 or correction.rewards is None:
        return correction
    shares = np.full(len(correction.rewards), effect)
    shares[0] = 1.0
    deviations, members = correction.deviations, correction.members
    return replace(
        correction,
        rewards=correction.rewards * shares,
        deviations=None if deviations is None else deviations * shares,
        members=None if members is None else members * shares,
    )


def looked_at(logits: NDArray[np.float64], effect: float) -> NDArray[np.float64]:
    """Return finite logits, of any shape, of what is looked at ``effect`` < 1 times as often."""
    # log(e p / (1 - e p)) with p = 1 / (1 + exp(-m)), in a form in which nothing overflows.
    found: NDArray[np.float64] = math.log(effect) - np.logaddexp(math.log1p(-effect), -logits)
    return found
