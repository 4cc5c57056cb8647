"""Notices that rewards are no longer what was learned, whatever their unit and spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nba.bandits.change import MOST_ERROR, ChangeDetector
from nba.bandits.ridge import lengthen
from nba.errors import CorruptRecordError

LEAST_ERRORS = 20.0
"""Errors of an action from which on they are judged by each other, and not by those of all."""

_NUMBER = np.dtype("<f8")


class RewardChangeDetector:
    """A :class:`ChangeDetector` of rewards, which do not imply how much they vary as chances do.

    A squared error is divided by the mean of those of the same action so far, or of all actions
    while there are fewer than 20 of it: so a turn from actions that seldom pay to others that often
    do is no change, and neither is a better fit. That mean is of errors cut as the detector cuts
    them, so that it expects 1 of actions that seldom pay too. Of what an action showed,
    ``forgetting`` is kept with each new error of it.
    """

    __slots__ = ("detector", "forgetting", "spread")

    def __init__(self, threshold: float | None, forgetting: float) -> None:
        self.detector = ChangeDetector(threshold)
        self.forgetting = forgetting
        self.spread = np.zeros((0, 2))
        """Sums of weights and of squared errors, cut, ``(n_actions, 2)``."""

    def grow(self, n: int) -> None:
        """Add actions that have shown nothing, until there are ``n``."""
        self.spread = lengthen(self.spread, n)

    def reset(self, actions: Sequence[int]) -> None:
        """Forget what some actions showed."""
        self.spread[actions] = 0.0

    def observe(self, action: int, error: float, weight: float) -> bool:
        """Take note of what was earned less what was expected; return whether to raise the alarm.

        ``weight`` is how many times the observation counts, so 1 / ``weight`` its variance.
        """
        squared = error * error * weight
        own = self.spread[action]
        weights, errors = own if own[0] >= LEAST_ERRORS else self.spread.sum(axis=0)
        expected = float(errors + squared) / float(weights + 1.0)
        own *= self.forgetting
        own += 1.0, min(squared, MOST_ERROR * expected)
        return self.detector.note(squared / expected if expected > 0.0 else 0.0)

    def to_state(self) -> tuple[bytes, bytes, int, int]:
        """Return what was noted; :meth:`restore` takes it back."""
        detector = self.detector
        errors = detector.errors.astype(_NUMBER).tobytes()
        return self.spread.astype(_NUMBER).tobytes(), errors, detector.seen, detector.alarms

    def restore(self, n: int, state: tuple[bytes, bytes, int, int]) -> None:
        """Take back what was noted of ``n`` actions; :class:`CorruptRecordError` for others."""
        spread, errors, seen, alarms = state
        if len(spread) != 2 * n * _NUMBER.itemsize:
            raise CorruptRecordError(f"errors of {n} actions have {2 * n} numbers")
        self.grow(n)
        self.spread[:] = np.frombuffer(spread, dtype=_NUMBER).reshape(n, 2)
        self.detector.restore(errors, seen, alarms)
