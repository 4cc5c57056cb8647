"""Policies for cover, kept online: later ones are paid to choose what former ones do not."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.bound_cover import BoundCover
from nba.bandits.bound_linear import BoundLinear
from nba.bandits.change import SHRUNK_TO
from nba.bandits.constants import not_negative, require, whole
from nba.bandits.cover import smallest_share
from nba.bandits.linear import LinearModel
from nba.bandits.observations import as_observations, as_rows
from nba.bandits.packing import fill, pack_members, pack_state, unpack_members, unpack_state
from nba.bandits.protocols import Estimate
from nba.bandits.ridge import RidgeStack, lengthen, taken
from nba.bandits.standardizing import Standardizer
from nba.errors import CorruptRecordError, Fault, InputError

FloatArray = NDArray[np.float64]

FORMAT = 2
"""Version of the bytes; raised with every change to their meaning."""

_KIND = "cover"


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

    Where guardrails left only some actions, policies choose among those, K is their number, and
    those alone are regressed on: what is expected of an action that was not available does not
    move. So each action has a matrix of its own over the situations it was available in, and one
    that is new is learned as fast as the first were.

    The chance of the choice is the one it was drawn with, as the record has it: it is never
    computed again here. One that is not told counts as 1, which draws the doubly robust reward
    towards the first policy's expectation.

    A situation costs the square of the features, and their number for each policy, for each action
    available. Nothing is drawn: the same observations in the same order give the same bytes.
    Sources are those of :class:`nba.bandits.Cover`.

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
        require(whole("policies", policies, 1), not_negative("psi", psi))
        self.first = LinearModel.from_bytes(prototype.to_bytes())
        self.policies = int(policies)
        self.psi = float(psi)
        d = 1 + self.n_features
        # Every later policy regresses on the same situations of an action, so they share a matrix.
        self.stack = RidgeStack(self.n_actions, np.full(d, prototype.ridge))
        self.moments = np.zeros((self.n_actions, self.policies - 1, d))

    @property
    def n_actions(self) -> int:
        """How many actions there are."""
        return self.first.n_actions

    @property
    def n_features(self) -> int:
        """How many features a situation has."""
        return self.first.n_features

    @property
    def action_features(self) -> FloatArray:
        """What tells actions apart, ``(n_actions, p)``."""
        return self.first.action_features

    @property
    def updates(self) -> int:
        """How many observations it has learned from."""
        return self.first.updates

    @property
    def alarms(self) -> int:
        """How often the first policy noticed that rewards had changed: then all give up."""
        return self.first.alarms

    @property
    def frame(self) -> Standardizer:
        """The frame of standardization, which all policies share."""
        return self.first.frame

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return what the first policy expects, and as members what each one chooses by.

        ``members`` is ``(policies, n_actions)``, of which all but the first hold pay for covering.
        """
        stack, first = self.stack, self.first
        return self._bound(first.view(), stack.inverse, self.moments, first.starts).estimate(x)

    def bind(self, actions: ArrayLike) -> BoundCover:
        """Return what is expected now of some actions; see :meth:`LinearModel.bind`."""
        rows = as_rows(actions, self.n_actions, least=-1)
        inverse = taken(self.stack.inverse, rows, self.stack.unseen)
        moments = taken(self.moments, rows, np.zeros(self.moments.shape[1:]))
        starts = taken(self.first.starts, rows, np.zeros_like(self.stack.prior))
        return self._bound(self.first.bind(rows), inverse, moments, starts)

    def _bound(
        self, first: BoundLinear, inverse: FloatArray, moments: FloatArray, starts: FloatArray
    ) -> BoundCover:
        means = starts.copy()
        means[:, 0] += self.first.rate()
        return BoundCover(first, inverse, moments + (self.stack.prior * means)[:, None, :])

    def grow(self, action_features: ArrayLike) -> None:
        """Add actions; see :meth:`LinearModel.grow`."""
        self.first.grow(action_features)
        self.stack.grow(self.n_actions)
        self.moments = lengthen(self.moments, self.n_actions)

    def describe(self, actions: ArrayLike, action_features: ArrayLike) -> None:
        """Tell the first policy of some actions anew; see :meth:`LinearModel.describe`."""
        self.first.describe(actions, action_features)

    def reset(self, actions: ArrayLike) -> None:
        """Forget everything about some actions; see :meth:`LinearModel.reset`."""
        self.first.reset(actions)
        rows = as_rows(actions, self.n_actions)
        self.stack.reset(rows)
        self.moments[rows] = 0.0

    def inherit(self, action: int, kin: ArrayLike) -> None:
        """Start an action, in all policies, where the first policy has got to with its kin.

        See :meth:`LinearModel.inherit`. Later policies find out anew what covering is paid.
        """
        self.first.inherit(action, kin)

    def update(
        self,
        x: ArrayLike,
        action: int,
        reward: float,
        weight: float = 1.0,
        probability: float = 1.0,
        *,
        available: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
    ) -> None:
        """Learn from one observation; see :meth:`update_many`."""
        situation = np.asarray(x, dtype=np.float64)
        self.update_many(
            situation[None],
            [action],
            [reward],
            [weight],
            [probability],
            available=None if available is None else np.asarray(available)[None],
            offsets=None if offsets is None else np.asarray(offsets, dtype=np.float64)[None],
        )

    def update_many(
        self,
        X: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        weights: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
        *,
        available: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
    ) -> None:
        """Learn from observations in order; see :class:`ValueModel` for shapes and errors.

        ``available`` ``(m, n_actions) bool`` says which actions guardrails left, all where it is
        not given; the one taken must be among them. ``offsets`` ``(m, n_actions)`` are what is
        known of the actions' worth besides what is learned here, 0 where not given: policies choose
        by offset and expectation together.
        """
        sizes = {"n_features": self.n_features, "n_actions": self.n_actions}
        features, chosen, earned, counted, chances = as_observations(
            X, actions, rewards, weights, probabilities, **sizes
        )
        left = self._left(available, chosen)
        known = self._known(offsets, len(chosen))
        for row, x in enumerate(features):
            rows = np.flatnonzero(left[row])
            action = int(np.searchsorted(rows, chosen[row]))
            self.observe(x, rows, action, earned[row], counted[row], chances[row], known[row][rows])

    def _left(self, available: ArrayLike | None, chosen: NDArray[np.intp]) -> NDArray[np.bool_]:
        shape = (len(chosen), self.n_actions)
        if available is None:
            return np.ones(shape, dtype=np.bool_)
        left = np.asarray(available)
        if left.dtype != np.bool_ or left.shape != shape:
            found = f"found {left.dtype} of shape {left.shape}"
            raise InputError([Fault("/available", found, f"bool of shape {shape} is expected")])
        without = np.flatnonzero(~left[np.arange(len(chosen)), chosen])
        if len(without):
            raise InputError(
                Fault(f"/available/{row}", f"{chosen[row]} was taken and is not", "it must be")
                for row in without
            )
        return left

    def _known(self, offsets: ArrayLike | None, m: int) -> FloatArray:
        shape = (m, self.n_actions)
        if offsets is None:
            return np.zeros(shape)
        known = np.asarray(offsets, dtype=np.float64)
        if known.shape != shape:
            found = f"found shape {known.shape}"
            raise InputError([Fault("/offsets", found, f"{shape} is expected")])
        if not np.isfinite(known).all():
            raise InputError(
                Fault(f"/offsets/{row}/{column}", "found no finite number", "one is expected")
                for row, column in np.argwhere(~np.isfinite(known))
            )
        return known

    def observe(
        self,
        x: FloatArray,
        rows: NDArray[np.intp],
        action: int,
        reward: float,
        weight: float,
        probability: float,
        offsets: FloatArray,
    ) -> None:
        """Learn from one observation that was checked.

        ``rows`` ``(K,) intp`` are the actions that were left, in order, and ``offsets`` ``(K,)``
        theirs; ``action`` is the place among them of the one taken.
        """
        bound = self.bind(rows)
        paid = bound.first.estimate(x).means
        members = bound.members(x, paid)
        paid[action] += (reward - paid[action]) / probability
        targets = paid + self._pay(members + offsets)
        inputs = self.frame.inputs(x)
        forgetting = self.first.forgetting ** (1.0 / len(rows))
        self.stack.see(rows, inputs, weight, forgetting, self.updates)
        self.moments[rows] *= forgetting
        self.moments[rows] += weight * targets.T[:, :, None] * inputs
        alarms = self.alarms
        moved = self.first.observe(x, int(rows[action]), reward, weight)
        if moved is not None:
            self.stack.reframe(moved)
            self.moments[:] = self.moments @ moved.T
        if self.alarms != alarms:
            self.moments *= self.stack.shrink(SHRUNK_TO)[:, None, None]

    def _pay(self, members: FloatArray) -> FloatArray:
        """Return what each later policy is paid for each action left, ``(policies - 1, K)``."""
        best = members == members.max(axis=1, keepdims=True)
        choices = best / best.sum(axis=1, keepdims=True)
        before = np.arange(1, self.policies)[:, None]
        shares = np.cumsum(choices, axis=0)[:-1] / before
        n = members.shape[1]
        least = smallest_share(n, self.updates)
        pay: FloatArray = self.psi * least / (least + (1.0 - n * least) * shares)
        return pay

    def _arrays(self) -> dict[str, FloatArray]:
        parts = ("gram", "inverse", "counts")
        return {"covering": self.moments} | {part: getattr(self.stack, part) for part in parts}

    def to_bytes(self) -> bytes:
        """Return the whole state; :meth:`from_bytes` gives back its equal, to the last bit."""
        own = {"policies": self.policies, "psi": self.psi}
        states = [self.first.to_bytes(), pack_state(_KIND, FORMAT, own, self._arrays())]
        return pack_members(0, self.updates, states)

    @classmethod
    def from_bytes(cls, data: bytes) -> CoverModel:
        """Read a state back; raises :class:`CorruptRecordError` where the bytes are none."""
        _, _, states = unpack_members(data)
        if len(states) != 2:  # noqa: PLR2004 - the first policy, and all that is the others'
            raise CorruptRecordError(f"the {_KIND} state has {len(states)} parts, not 2")
        parameters, arrays = unpack_state(states[1], _KIND, FORMAT)
        first = LinearModel.from_bytes(states[0])
        try:
            model = cls(first, parameters["policies"], parameters["psi"])
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise CorruptRecordError(f"the {_KIND} state has wrong parameters: {error}") from error
        fill(_KIND, arrays, model._arrays())
        return model
