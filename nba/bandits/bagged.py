"""Bagging: members that each saw their own resample of the observations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nba.bandits.bound_linear import BoundLinear
from nba.bandits.constants import require, whole
from nba.bandits.draw import uniform
from nba.bandits.linear import LinearModel
from nba.bandits.observations import as_situation
from nba.bandits.observing import FloatArray, ObservesEach
from nba.bandits.packing import pack_members, unpack_members
from nba.bandits.protocols import Estimate
from nba.errors import CorruptRecordError

_MOST_COPIES = 12
"""Copies of one observation beyond which a Poisson number of mean 1 goes once in 10¹⁰."""


class BaggedModel(ObservesEach):
    """Members that differ by how often each observation counts for them: a Poisson number, mean 1.

    ``prototype`` is what every one of ``members`` starts as. Their mean is the estimate, their
    spread its deviation, and :class:`nba.bandits.Votes` lets them vote. How often observation ``t``
    counts for member ``i`` follows from ``seed``, ``t`` and ``i`` alone, so that the same
    observations in the same order give the same bytes.

    Oza and Russell, *Online bagging and boosting*, AISTATS 2001; for exploring, Eckles and Kaptein,
    2014 (arXiv:1410.4009). The spread of few members is a rough figure: that of 10 is off by a
    quarter as a rule. Raises :class:`nba.errors.InputError` for no member.

    >>> from nba.bandits import BaggedModel, ContextualBandit, LinearModel, Votes
    >>> model = BaggedModel(LinearModel(n_actions=3, n_features=1), members=4, seed=5)
    >>> bandit = ContextualBandit(model, Votes(epsilon=0.1))
    >>> bandit.partial_fit([[0.0], [1.0], [2.0]], [0, 1, 1], [0.0, 1.0, 0.9]).rounds
    0
    >>> bandit.predict([[1.0]]).tolist()
    [1]
    """

    def __init__(self, prototype: LinearModel, members: int = 10, seed: int = 0) -> None:
        require(whole("members", members, 1))
        start = prototype.to_bytes()
        self.members = tuple(LinearModel.from_bytes(start) for _ in range(members))
        self.updates = prototype.updates
        self.seed = seed

    @property
    def n_actions(self) -> int:
        """How many actions there are."""
        return self.members[0].n_actions

    @property
    def n_features(self) -> int:
        """How many features a situation has."""
        return self.members[0].n_features

    @property
    def action_features(self) -> FloatArray:
        """What tells actions apart, ``(n_actions, p)``."""
        return self.members[0].action_features

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return the members' mean, their spread, and what each expects."""
        return BoundBagged(tuple(member.view() for member in self.members)).estimate(x)

    def bind(self, actions: ArrayLike) -> BoundBagged:
        """Return what is expected of some actions; see :meth:`LinearModel.bind`."""
        return BoundBagged(tuple(member.bind(actions) for member in self.members))

    @property
    def alarms(self) -> int:
        """How often the member that did so most noticed that rewards had changed."""
        return max(member.alarms for member in self.members)

    def grow(self, action_features: ArrayLike) -> None:
        """Add actions to every member; see :meth:`LinearModel.grow`."""
        for member in self.members:
            member.grow(action_features)

    def describe(self, actions: ArrayLike, action_features: ArrayLike) -> None:
        """Tell every member of some actions anew; see :meth:`LinearModel.describe`."""
        for member in self.members:
            member.describe(actions, action_features)

    def reset(self, actions: ArrayLike) -> None:
        """Forget everything about some actions; see :meth:`LinearModel.reset`."""
        for member in self.members:
            member.reset(actions)

    def inherit(self, action: int, kin: ArrayLike) -> None:
        """Start an action, in every member, where its kin have got to there."""
        for member in self.members:
            member.inherit(action, kin)

    def observe(self, x: FloatArray, action: int, reward: float, weight: float) -> None:
        """Learn from one observation that was checked."""
        for member, copies in zip(self.members, self._copies(self.updates), strict=True):
            if copies:
                member.observe(x, action, reward, weight * copies)
        self.updates += 1

    def _copies(self, observation: int) -> list[int]:
        first = observation * len(self.members)
        return [poisson(uniform(self.seed, first + n)) for n in range(len(self.members))]

    def to_bytes(self) -> bytes:
        """Return the whole state; :meth:`from_bytes` gives back its equal, to the last bit."""
        states = [member.to_bytes() for member in self.members]
        return pack_members(self.seed, self.updates, states)

    @classmethod
    def from_bytes(cls, data: bytes) -> BaggedModel:
        """Read a state back; raises :class:`CorruptRecordError` where the bytes are none."""
        seed, updates, states = unpack_members(data)
        members = [LinearModel.from_bytes(state) for state in states]
        if not members:
            raise CorruptRecordError("the bagged state has no member")
        model = cls(members[0], 1, seed)
        model.members = tuple(members)
        model.updates = updates
        return model


@dataclass(frozen=True, slots=True, eq=False)
class BoundBagged:
    """A :class:`BaggedModel` at some of its actions, frozen."""

    members: tuple[BoundLinear, ...]

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return the members' mean, their spread, and what each expects of the actions."""
        situation = as_situation(x, self.members[0].frame.n_features)
        each = np.array([member.means(situation) for member in self.members])
        return Estimate(each.mean(axis=0), each.std(axis=0), each)


def poisson(u: float) -> int:
    """Return the Poisson number of mean 1 that ``u`` in [0, 1) falls on, by its distribution.

    >>> [poisson(u) for u in (0.0, 0.36, 0.37, 0.74, 0.92, 0.999)]
    [0, 0, 1, 2, 3, 5]
    """
    copies, share = 0, math.exp(-1.0)
    reached = share
    while u >= reached and copies < _MOST_COPIES:
        copies += 1
        share /= copies
        reached += share
    return copies
