"""Notices that the world has changed: what is observed fits what was expected worse than it did."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from nba.errors import CorruptRecordError

RECENT, BEFORE = 100, 400
"""Observations compared: the latest, against those right before them."""

THRESHOLD = 4.0
"""Standard errors that the recent misfit must exceed the one before by."""

LEAST_EXCESS = 0.2
"""What the recent misfit must exceed the one before by in any case: where errors hardly vary, as
those of even chances, standard errors are too small to tell a change from a turn of choice."""

MOST_ERROR = 10.0
"""A standardized squared error counts up to this: of errors that reach into the hundreds a few make
the spread of the recent ones so large that even twenty of them in a row are no excess."""

SHRUNK_TO = 0.3
"""What is left of what was learned after an alarm; each model says how it takes that."""

_LEAST_CHANCE = 1e-2


class ChangeDetector:
    """Compares the mean squared error of the last 100 observations with that of 400 before.

    Errors are divided by the variance that is expected of them, so that their mean is about 1
    however rare rewards are, and rises where expectations fail. After an alarm nothing is compared
    until as many observations have come again.
    """

    __slots__ = ("alarms", "errors", "seen", "threshold")

    def __init__(self, threshold: float | None = THRESHOLD) -> None:
        self.threshold = math.inf if threshold is None else threshold
        self.errors: NDArray[np.float64] = np.zeros(RECENT + BEFORE)
        self.seen = 0
        self.alarms = 0

    def restore(self, errors: bytes, seen: int, alarms: int) -> None:
        """Take back what was noted; :class:`CorruptRecordError` for another number of errors."""
        if len(errors) != self.errors.nbytes or seen < 0:
            raise CorruptRecordError(f"a change detector has {self.errors.nbytes} bytes of errors")
        self.errors[:] = np.frombuffer(errors, "<f8")
        self.seen, self.alarms = seen, alarms

    def observe(self, probability: float, label: float) -> bool:
        """Take note of one label and what was expected of it; return whether to raise the alarm.

        The variance is what the expectation implies, p (1 - p).
        """
        p = min(max(probability, _LEAST_CHANCE), 1.0 - _LEAST_CHANCE)
        return self.note((label - p) ** 2 / (p * (1.0 - p)))

    def note(self, error: float) -> bool:
        """Take note of a squared error by its variance; return whether to raise the alarm."""
        size = len(self.errors)
        self.errors[self.seen % size] = min(error, MOST_ERROR)
        self.seen += 1
        if self.seen < size or _excess(self.errors, self.seen) <= self.threshold:
            return False
        self.seen = 0
        self.alarms += 1
        return True


@numba.njit(cache=True)
def _excess(errors: NDArray[np.float64], seen: int) -> float:
    """Return by how many standard errors the recent mean exceeds the one before (Welch 1947).

    An excess below the least is none.
    """
    size = errors.shape[0]
    totals = np.zeros(2)
    squares = np.zeros(2)
    for age in range(size):
        error = errors[(seen - 1 - age) % size]
        part = 0 if age < RECENT else 1
        totals[part] += error
        squares[part] += error * error
    recent, before = totals[0] / RECENT, totals[1] / BEFORE
    spread = (squares[0] / RECENT - recent * recent) / RECENT
    spread += (squares[1] / BEFORE - before * before) / BEFORE
    excess = recent - before
    return excess / math.sqrt(spread) if spread > 0.0 and excess >= LEAST_EXCESS else 0.0
