"""Policies for cover, kept online: later ones are paid to choose what former ones do not."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.cover import smallest_share
from nba.bandits.linear import LinearModel
from nba.bandits.observations import as_observations, as_situation
from nba.bandits.packing import fill, pack_members, pack_state, unpack_members, unpack_state
from nba.bandits.protocols import Estimate
from nba.bandits.ridge import RidgeStack
from nba.bandits.standardizing import Standardizer
from nba.errors import CorruptRecordError, Fault, InputError

FloatArray = NDArray[np.float64]

FORMAT = 1
"""Version of the bytes; raised with every change to their meaning."""

_KIND = "cover"
_GROWTH = 1.5
"""Standardization moves, and the inverse is computed anew, each time updates grow by this."""


class CoverModel:
    """Policies for :class:`nba.bandits.Cover`: ``prototype``, and linear ones that cover the rest.

    The first policy is the prototype: it learns what was earned, and its expectations are the
    estimate. Each of the other ``policies - 1`` is a linear regression, in every action, of the
    doubly robust reward (the first one's expectation, corrected by what it missed over the chance
    of the choice) and of a pay for covering: ``psi`` · ε / (ε + (1 - K ε) q), where ε = min(1/K,
    1/√(K t)) for K actions and q is the share of the policies before it that choose the action. So
    what nobody chooses is paid ``psi``, in units of the reward, and what all choose about
    ``psi`` · ε. All policies answer to the state before the observation. A policy chooses what it
    expects most of, pay included; of equals it chooses all alike.

    The chance of the choice is the one it was drawn with, as the record has it: it is never
    computed again here. One that is not told counts as 1, which draws the doubly robust reward
    towards the first policy's expectation.

    A situation costs the square of the features once, and their number for each action of each
    policy. Nothing is drawn: the same observations in the same order give the same bytes. Sources
    are those of :class:`nba.bandits.Cover`.

    Raises :class:`InputError` for no policy or a negative ``psi``.

    >>> from nba.bandits import ContextualBandit, Cover, CoverModel, LinearModel
    >>> model = CoverModel(LinearModel(n_actions=3, n_features=1), policies=4)
    >>> bandit = ContextualBandit(model, Cover(), seed=5)
    >>> for _ in range(300):
    ...     drawn = bandit.decide([1.0])
    ...     reward = float(drawn.action == 2)
    ...     bandit.learn([1.0], drawn.action, reward, probability=drawn.probability)
    >>> bandit.predict([[1.0]]).tolist()
    [2]
    """

    def __init__(self, prototype: LinearModel, policies: int = 4, psi: float = 0.1) -> None:
        faults = []
        if policies < 1:
            faults.append(Fault("/policies", f"found {policies}", "at least one is expected"))
        if not 0.0 <= psi < math.inf:
            faults.append(Fault("/psi", f"found {psi}", "a finite number of at least 0"))
        if faults:
            raise InputError(faults)
        self.first = LinearModel.from_bytes(prototype.to_bytes())
        self.n_actions = prototype.n_actions
        self.n_features = prototype.n_features
        self.policies = int(policies)
        self.psi = float(psi)
        self.updates = prototype.updates
        self.settle_at = self.updates + 1
        self.frame = Standardizer(self.n_features)
        d = 1 + self.n_features
        # Every later policy regresses on every situation in every action, so they share a matrix.
        self.stack = RidgeStack(1, np.full(d, prototype.ridge))
        self.moments = np.zeros((self.policies - 1, self.n_actions, d))

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return what the first policy expects, and as members what each one chooses by.

        ``members`` is ``(policies, n_actions)``, of which all but the first hold pay for covering.
        """
        situation = as_situation(x, self.n_features)
        first = self.first.estimate(situation)
        return Estimate(first.means, first.deviations, self._members(situation, first.means))

    def _members(self, situation: FloatArray, means: FloatArray) -> FloatArray:
        weights = self.stack.solutions(self.frame.bounded_inputs(situation))[0]
        prior = weights[0] * self.stack.prior[0] * self.first.rate()
        return np.concatenate([means[None], self.moments @ weights + prior])

    def update(
        self,
        x: ArrayLike,
        action: int,
        reward: float,
        weight: float = 1.0,
        probability: float = 1.0,
    ) -> None:
        """Learn from one observation; see :meth:`update_many`."""
        situation = np.asarray(x, dtype=np.float64)
        self.update_many(situation[None], [action], [reward], [weight], [probability])

    def update_many(
        self,
        X: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        weights: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
    ) -> None:
        """Learn from observations in order; see :class:`ValueModel` for shapes and errors.

        ``probabilities`` ``(m,)`` are the chances with which the actions were drawn, above 0 and
        up to 1; all 1 where not given. Raises :class:`InputError` naming each that is none.
        """
        sizes = {"n_features": self.n_features, "n_actions": self.n_actions}
        features, chosen, earned, counted = as_observations(X, actions, rewards, weights, **sizes)
        chances = _as_probabilities(probabilities, len(chosen))
        for row, x in enumerate(features):
            self._learn(x, int(chosen[row]), earned[row], counted[row], chances[row])

    def _learn(
        self, x: FloatArray, action: int, reward: float, weight: float, probability: float
    ) -> None:
        means = self.first.estimate(x).means
        members = self._members(x, means)
        paid = means.copy()
        paid[action] += (reward - means[action]) / probability
        targets = paid + self._pay(members)
        inputs = self.frame.inputs(x)
        self.frame.observe(x)
        forgetting = self.first.forgetting ** (1.0 / self.n_actions)
        self.stack.observe(0, inputs, 0.0, weight, forgetting, self.updates)
        self.moments *= forgetting
        self.moments += weight * targets[:, :, None] * inputs
        self.first.update(x, action, reward, weight)
        self.updates += 1
        if self.updates >= self.settle_at:
            change = self.frame.move()
            self.stack.reframe(change)
            self.moments = self.moments @ change.T
            self.settle_at = max(self.updates + 1, int(_GROWTH * self.updates))

    def _pay(self, members: FloatArray) -> FloatArray:
        """Return what each later policy is paid for each action, ``(policies - 1, n_actions)``."""
        best = members == members.max(axis=1, keepdims=True)
        choices = best / best.sum(axis=1, keepdims=True)
        before = np.arange(1, self.policies)[:, None]
        shares = np.cumsum(choices, axis=0)[:-1] / before
        least = smallest_share(self.n_actions, self.updates)
        pay: FloatArray = self.psi * least / (least + (1.0 - self.n_actions * least) * shares)
        return pay

    def _arrays(self) -> dict[str, FloatArray]:
        frame = self.frame
        arrays = {"covering": self.moments, "seen": frame.seen, "means": frame.means}
        arrays |= {"deviations": frame.squares, "shift": frame.shift, "scale": frame.scale}
        return arrays | {part: getattr(self.stack, part) for part in RidgeStack.PARTS}

    def to_bytes(self) -> bytes:
        """Return the whole state; :meth:`from_bytes` gives back its equal, to the last bit."""
        own = {"policies": self.policies, "psi": self.psi, "settle_at": self.settle_at}
        states = [self.first.to_bytes(), pack_state(_KIND, FORMAT, own, self._arrays())]
        return pack_members(0, self.updates, states)

    @classmethod
    def from_bytes(cls, data: bytes) -> CoverModel:
        """Read a state back; raises :class:`CorruptRecordError` where the bytes are none."""
        _, updates, states = unpack_members(data)
        if len(states) != 2:  # noqa: PLR2004 - the first policy, and all that is the others'
            raise CorruptRecordError(f"the {_KIND} state has {len(states)} parts, not 2")
        parameters, arrays = unpack_state(states[1], _KIND, FORMAT)
        first = LinearModel.from_bytes(states[0])
        try:
            model = cls(first, parameters["policies"], parameters["psi"])
            settle_at = int(parameters["settle_at"])
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise CorruptRecordError(f"the {_KIND} state has wrong parameters: {error}") from error
        fill(_KIND, arrays, model._arrays())
        model.updates, model.settle_at = updates, settle_at
        return model


def _as_probabilities(probabilities: ArrayLike | None, m: int) -> FloatArray:
    if probabilities is None:
        return np.ones(m)
    chances = np.ascontiguousarray(probabilities, dtype=np.float64)
    if chances.shape != (m,):
        found = f"found shape {chances.shape}"
        raise InputError([Fault("/probabilities", found, f"({m},) is expected")])
    good = (chances > 0.0) & (chances <= 1.0)
    if not good.all():
        raise InputError(
            Fault(f"/probabilities/{row}", f"found {chances[row]}", "above 0 and up to 1")
            for row in np.flatnonzero(~good)
        )
    return chances
