"""Notices that rewards are no longer what was learned, whatever their unit and spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nba.bandits.change import MOST_ERROR, ChangeDetector
from nba.bandits.ridge import lengthen

LEAST_ERRORS = 20.0
"""Errors of an action from which on they are judged by each other, and not by those of all."""


class RewardChangeDetector:
    """A :class:`ChangeDetector` of rewards, which do not imply how much they vary as chances do.

    A squared error is divided by the mean of those of the same action so far, or of all actions
    while there are fewer than 20 of it: so a turn from actions that seldom pay to others that often
    do is no change, and neither is a better fit. That mean is of errors cut as the detector cuts
    them, so that it expects 1 of actions that seldom pay too.
    """

    __slots__ = ("detector", "spread")

    def __init__(self, n_actions: int, threshold: float) -> None:
        self.detector = ChangeDetector(threshold)
        self.spread = np.zeros((n_actions, 2))
        """Sums of weights and of squared errors, cut, ``(n_actions, 2)``."""

    def grow(self, n: int) -> None:
        """Add actions that have shown nothing, until there are ``n``."""
        self.spread = lengthen(self.spread, n)

    def reset(self, actions: NDArray[np.intp]) -> None:
        """Forget what some actions showed."""
        self.spread[actions] = 0.0

    def observe(self, action: int, error: float, weight: float, forgetting: float) -> bool:
        """Take note of what was earned less what was expected; return whether to raise the alarm.

        An observation that counts for ``weight`` < 1 varies by 1 / ``weight`` as much; one that
        counts several times varies as any other does. Of what the action showed before,
        ``forgetting`` is kept.
        """
        squared = error * error * min(weight, 1.0)
        own = self.spread[action]
        weights, errors = own if own[0] >= LEAST_ERRORS else self.spread.sum(axis=0)
        expected = float(errors + squared) / float(weights + 1.0)
        own *= forgetting
        own += 1.0, min(squared, MOST_ERROR * expected)
        return self.detector.note(squared / expected if expected > 0.0 else 0.0)
