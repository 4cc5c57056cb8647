"""Ordered choices without repeats, with the exact probabilities of what was drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.draw import draw, uniform
from nba.errors import Fault, InputError

FloatArray = NDArray[np.float64]

_SLOTS_PER_ROUND = 1 << 16
_TOLERANCE = 1e-9
_STEP = 0.2
_LEAST, _MOST = 1e-15, 45.0


@dataclass(frozen=True, slots=True)
class Slate:
    """What was drawn for the slots of one round, the first slot first.

    ``conditionals`` ``(slots,)`` is the chance of each choice given those before it, ``joint`` the
    chance of the whole slate in this order, their product; ``marginals`` ``(slots,)`` the chance
    of each choice in its slot, whatever the others hold, which is what an estimator that looks at
    one slot by itself divides by.
    """

    actions: tuple[int, ...]
    conditionals: FloatArray
    joint: float
    marginals: FloatArray


def draw_slate(probabilities: ArrayLike, slots: int, *, seed: int, number: int) -> Slate:
    """Draw ``slots`` different actions: each slot from ``probabilities`` over what is left.

    ``probabilities`` is ``(n,) float64``. The order is that of Plackett (*Applied Statistics* 24,
    1975) and Luce. Slot ``k`` of round ``number`` uses number ``number · 2¹⁶ + k`` of the stream
    that ``seed`` starts, so a slate replays from both. Raises :class:`InputError` where the
    probabilities are none, or fewer than ``slots`` are above 0.

    >>> slate = draw_slate([0.5, 0.3, 0.2], 2, seed=4, number=0)
    >>> slate.actions, slate.conditionals.round(3).tolist(), round(slate.joint, 3)
    ((0, 2), [0.5, 0.4], 0.2)
    >>> slate.marginals.round(4).tolist()
    [0.5, 0.2857]
    """
    p = np.array(probabilities, dtype=np.float64)
    _require_distribution(p, slots)
    left = p.copy()
    actions: list[int] = []
    conditionals = np.empty(slots)
    for slot in range(slots):
        among = left / left.sum()
        action = draw(among, uniform(seed, number * _SLOTS_PER_ROUND + slot))
        conditionals[slot] = among[action]
        actions.append(action)
        left[action] = 0.0
    marginals = [chance_in_slot(p, action, slot) for slot, action in enumerate(actions)]
    return Slate(tuple(actions), conditionals, float(conditionals.prod()), np.array(marginals))


def chance_in_slot(probabilities: ArrayLike, action: int, slot: int) -> float:
    """Return the chance that ``action`` is drawn for ``slot``, counted from 0, of any slate.

    Drawing slot by slot is a race: every action arrives after an exponential time of rate p, and
    the slots are filled as they arrive. So the chance is ∫ p e^(-p t) P(t) dt, P(t) being that of
    exactly ``slot`` others having arrived before t, a Poisson binomial number. It is summed by the
    trapezoid rule over log t, whose error falls exponentially with the step: it is below 1e-12.
    Linear in actions times slots. Raises :class:`InputError` as :func:`draw_slate` does.

    >>> round(chance_in_slot([0.5, 0.3, 0.2], 0, 1), 12)  # 0.3 · 0.5 / 0.7 + 0.2 · 0.5 / 0.8
    0.339285714286
    """
    p = np.array(probabilities, dtype=np.float64)
    _require_distribution(p, slot + 1)
    if not 0 <= action < len(p):
        found = f"found {action}"
        raise InputError([Fault("/action", found, f"a whole number below {len(p)} is expected")])
    if p[action] == 0.0:
        return 0.0
    if slot == 0:
        return float(p[action])
    others = np.delete(p, action)
    return float(_race(others[others > 0.0], float(p[action]), slot))


def _require_distribution(p: FloatArray, slots: int) -> None:
    if p.ndim != 1 or not (p >= 0.0).all() or not abs(p.sum() - 1.0) <= _TOLERANCE:
        found = f"found shape {p.shape}, summing to {p.sum()}"
        expected = "one axis, none below 0 and a sum of 1 is expected"
        raise InputError([Fault("/probabilities", found, expected)])
    possible = np.count_nonzero(p)
    if not 1 <= slots <= possible:
        found = f"found {slots} slots and {possible} actions with a probability above 0"
        raise InputError([Fault("/slots", found, "at least 1 slot, and as many actions")])


@numba.njit(cache=True)
def _race(others: FloatArray, rate: float, slot: int) -> float:
    before = np.empty(slot + 1)  # chance that so many others have arrived, by number
    # The others arrive at their own pace, which for a rare action is all long before it does.
    first = math.log(_LEAST * min(1.0, rate / others.sum()))
    total = 0.0
    for node in range(int((math.log(_MOST) - first) / _STEP) + 1):
        scaled = math.exp(first + node * _STEP)  # rate · t
        before[:] = 0.0
        before[0] = 1.0
        for other in others:
            arrived = -math.expm1(-scaled * other / rate)
            for k in range(slot, 0, -1):
                before[k] = before[k] * (1.0 - arrived) + before[k - 1] * arrived
            before[0] *= 1.0 - arrived
        total += scaled * math.exp(-scaled) * before[slot]
    return total * _STEP
