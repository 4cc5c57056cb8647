"""Linear regression of rewards, one per action, one for all, or both: recursive least squares."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.observations import as_observations, as_situation
from nba.bandits.packing import fill, pack_state, unpack_state
from nba.bandits.protocols import Estimate
from nba.bandits.ridge import RidgeStack, quadratics
from nba.bandits.standardizing import Standardizer
from nba.errors import CorruptRecordError, Fault, InputError

FloatArray = NDArray[np.float64]
Sharing = Literal["per_action", "shared", "hybrid"]

FORMAT = 1
"""Version of the bytes; raised with every change to their meaning."""

_KIND = "linear"
_GROWTH = 1.5
"""Standardization moves, and inverses are computed anew, each time updates grow by this."""


class LinearModel:
    """Predicts rewards linearly from standardized features, and how sure that is.

    ``sharing`` says whose parameters an action has:

    - ``per_action``: its own. An action never seen is at the base rate of all rewards.
    - ``shared``: one set for all, on the features crossed with ``action_features``
      ``(n_actions, p)``, which tell actions apart.
    - ``hybrid``: its own, with the shared fit as prior mean, so that an action never seen is at
      what its features (or, without any, all actions together) suggest. This is the additive
      equivalent of LinUCB's algorithm 2: the shared part is fitted to all rewards first, not
      jointly.

    Per observation the cost is quadratic in the features and independent of the actions; per
    estimate linear in the actions. ``ridge`` is the prior precision of every weight on standardized
    features, in units of the noise's; ``base_rate`` counts as one observation of the rewards' mean,
    ``noise_variance`` as one of their noise (0.25 is the largest a reward in [0, 1] can have), and
    both are estimated from there on. ``forgetting`` is what an action's observations keep of their
    weight with each new one of it.

    Without forgetting and missing features, all but rounding is a function of sums over
    observations, as of the last time the frame of standardization moved; see :meth:`settle` and
    :func:`nba.bandits.merge`. Covariances are never singular: the prior sees to that. With
    :class:`nba.bandits.UCB` it is LinUCB (Li et al., WWW 2010, arXiv:1003.0146), with
    :class:`nba.bandits.Thompson` linear Thompson sampling (Agrawal and Goyal, ICML 2013).

    Raises :class:`InputError` where a parameter is out of range.

    >>> model = LinearModel(n_actions=2, n_features=1)
    >>> model.update_many([[0.0], [1.0], [2.0], [3.0]], [0, 0, 0, 0], [0.0, 0.1, 0.2, 0.3])
    >>> model.settle()
    >>> model.estimate([1.5]).means.round(3).tolist()  # the other is at the mean, and base rate 0
    [0.144, 0.12]
    """

    def __init__(
        self,
        n_actions: int,
        n_features: int,
        *,
        sharing: Sharing = "per_action",
        action_features: ArrayLike | None = None,
        ridge: float = 1.0,
        forgetting: float = 1.0,
        base_rate: float = 0.0,
        noise_variance: float = 0.25,
    ) -> None:
        described = np.zeros((n_actions, 0)) if action_features is None else action_features
        self.action_features = np.ascontiguousarray(described, dtype=np.float64)
        self.n_actions = int(n_actions)
        self.n_features = int(n_features)
        self.sharing: Sharing = sharing
        self.ridge = float(ridge)
        self.forgetting = float(forgetting)
        self.base_rate = float(base_rate)
        self.noise_variance = float(noise_variance)
        self._require_parameters()
        self.updates = 0
        self.earned = np.zeros(2)  # sums of weights, and of weight times reward
        self.frame = Standardizer(n_features)
        self.groups = np.column_stack([np.ones(n_actions), self.action_features])
        d = 1 + n_features
        own = 0 if sharing == "shared" else n_actions
        pooled = 0 if sharing == "per_action" else 1
        self.own = RidgeStack(own, np.full(d, ridge))
        self.pooled = RidgeStack(pooled, np.full(d * self.groups.shape[1], ridge))
        self.residuals = np.zeros(own or pooled)
        self.settle_at = 1

    def _require_parameters(self) -> None:
        features = self.action_features
        good = {
            "n_actions": self.n_actions >= 1,
            "n_features": self.n_features >= 0,
            "sharing": self.sharing in {"per_action", "shared", "hybrid"},
            "ridge": 0.0 < self.ridge < np.inf,
            "forgetting": 0.0 < self.forgetting <= 1.0,
            "base_rate": bool(np.isfinite(self.base_rate)),
            "noise_variance": 0.0 < self.noise_variance < np.inf,
            "action_features": features.ndim == 2  # noqa: PLR2004 - axes
            and features.shape[0] == self.n_actions
            and bool(np.isfinite(features).all()),
        }
        faults = [
            Fault(f"/{name}", f"found {getattr(self, name)}", "a value in range is expected")
            for name, holds in good.items()
            if not holds
        ]
        if self.sharing == "shared" and features.shape[-1] == 0:
            expected = "what is shared tells actions apart by their features alone"
            faults.append(Fault("/action_features", "there are none", expected))
        if faults:
            raise InputError(faults)

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return expected rewards and their standard deviations; see :class:`ValueModel`."""
        inputs = self.frame.bounded_inputs(as_situation(x, self.n_features))
        if self.sharing == "shared":
            crossed = self._crossed(inputs[None])
            means = crossed @ self.pooled.weights(0, self._pooled_prior())
            spread = quadratics(self.pooled.inverse[0], crossed)
        elif self.sharing == "per_action":
            means, spread = self.own.predict(inputs, self._own_prior(0)[None])
        else:
            means, spread = self._hybrid(inputs)
        return Estimate(means, np.sqrt(self.noise() * spread))

    def _hybrid(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        solved = self.own.solutions(inputs)
        prior = self.own.prior * self._pooled_weights()
        means = np.einsum("ad,ad->a", solved, self.own.moments + prior)
        crossed = self._crossed(solved * self.own.prior)
        return means, solved @ inputs + quadratics(self.pooled.inverse[0], crossed)

    def _crossed(self, inputs: FloatArray) -> FloatArray:
        """Return every action's features crossed with ``inputs``, ``(n_actions, d (1 + p))``."""
        crossed: FloatArray = self.groups[:, :, None] * inputs[:, None, :]
        return np.ascontiguousarray(crossed.reshape(self.n_actions, -1))

    def _pooled_prior(self) -> FloatArray:
        prior = np.zeros_like(self.pooled.prior)
        prior[0] = self.ridge * self.rate()
        return prior

    def _pooled_weights(self) -> FloatArray:
        """Return the weights that the shared fit expects of every action, ``(n_actions, d)``."""
        weights = self.pooled.weights(0, self._pooled_prior())
        expected: FloatArray = self.groups @ weights.reshape(self.groups.shape[1], -1)
        return expected

    def _own_prior(self, action: int) -> FloatArray:
        if self.sharing == "hybrid":
            expected: FloatArray = self.own.prior * self._pooled_weights()[action]
            return expected
        prior = np.zeros_like(self.own.prior)
        prior[0] = self.ridge * self.rate()
        return prior

    def rate(self) -> float:
        """Return the base rate: the mean of all rewards and of one observation of the prior's."""
        return float((self.base_rate + self.earned[1]) / (1.0 + self.earned[0]))

    def noise(self) -> float:
        """Return the variance of the noise that the residuals show.

        An action's residual is computed when it is observed, and all of them on settling.
        """
        counts = self.own.counts if len(self.own.counts) else self.pooled.counts
        return float((self.noise_variance + self.residuals.sum()) / (1.0 + counts.sum()))

    def update(self, x: ArrayLike, action: int, reward: float, weight: float = 1.0) -> None:
        """Learn from one observation; see :meth:`update_many`."""
        situation = np.asarray(x, dtype=np.float64)
        self.update_many(situation[None], [action], [reward], [weight])

    def update_many(
        self, X: ArrayLike, actions: ArrayLike, rewards: ArrayLike, weights: ArrayLike | None = None
    ) -> None:
        """Learn from observations in order; see :class:`ValueModel` for shapes and errors.

        A missing feature counts as its mean so far. Rewards beyond ±1e6 are refused.
        """
        sizes = {"n_features": self.n_features, "n_actions": self.n_actions}
        features, chosen, earned, counted = as_observations(X, actions, rewards, weights, **sizes)
        for x, action, reward, weight in zip(
            features, chosen.tolist(), earned.tolist(), counted.tolist(), strict=True
        ):
            self._learn(x, action, reward, weight)

    def _learn(self, x: FloatArray, action: int, reward: float, weight: float) -> None:
        inputs = self.frame.inputs(x)
        self.frame.observe(x)
        self.earned += weight, weight * reward
        if self.sharing != "per_action":
            crossed = (self.groups[action][:, None] * inputs).ravel()
            kept = self.forgetting ** (1.0 / self.n_actions)
            self.pooled.observe(0, crossed, reward, weight, kept, self.updates)
        if self.sharing != "shared":
            self.own.observe(action, inputs, reward, weight, self.forgetting, self.updates)
        self.updates += 1
        if self.updates >= self.settle_at:
            self.settle()
        elif self.sharing == "shared":
            self.residuals[0] = self.pooled.residual(0, self._pooled_prior())
        else:
            self.residuals[action] = self.own.residual(action, self._own_prior(action))

    def settle(self) -> None:
        """Standardize by all that was seen, and compute everything anew from sums.

        Happens by itself whenever updates have grown by half. Afterwards what is estimated depends
        on the observations alone and not on their order, to rounding.
        """
        self.reframe(self.frame.move())
        self.settle_at = max(self.updates + 1, int(_GROWTH * self.updates))

    def reframe(self, change: FloatArray) -> None:
        """Express all that was learned in the inputs ``change @ inputs``; see the frame."""
        self.own.reframe(change)
        self.pooled.reframe(np.kron(np.eye(self.groups.shape[1]), change).astype(np.float64))
        if self.sharing == "shared":
            self.residuals[0] = self.pooled.residual(0, self._pooled_prior())
            return
        hybrid = self.sharing == "hybrid"
        priors = self.own.prior * self._pooled_weights() if hybrid else self._own_prior(0)[None]
        for action in np.flatnonzero(self.own.counts).tolist():
            prior = priors[action if hybrid else 0]
            self.residuals[action] = self.own.residual(action, prior)

    def parameters(self) -> dict[str, Any]:
        """Return what the model was made with, by the constructor's names."""
        return {
            "n_actions": self.n_actions,
            "n_features": self.n_features,
            "sharing": self.sharing,
            "action_features": self.action_features.tolist(),
            "ridge": self.ridge,
            "forgetting": self.forgetting,
            "base_rate": self.base_rate,
            "noise_variance": self.noise_variance,
        }

    def _arrays(self) -> dict[str, FloatArray]:
        frame = self.frame
        arrays = {"earned": self.earned, "residuals": self.residuals}
        arrays |= {"seen": frame.seen, "means": frame.means, "deviations": frame.squares}
        arrays |= {"shift": frame.shift, "scale": frame.scale}
        for name, stack in (("own", self.own), ("pooled", self.pooled)):
            arrays |= {f"{name}_{part}": getattr(stack, part) for part in RidgeStack.PARTS}
        return arrays

    def to_bytes(self) -> bytes:
        """Return the whole state; :meth:`from_bytes` gives back its equal, to the last bit."""
        counted = {"updates": self.updates, "settle_at": self.settle_at}
        return pack_state(_KIND, FORMAT, self.parameters() | counted, self._arrays())

    @classmethod
    def from_bytes(cls, data: bytes) -> LinearModel:
        """Read a state back; raises :class:`CorruptRecordError` where the bytes are none."""
        parameters, arrays = unpack_state(data, _KIND, FORMAT)
        try:
            updates, settle_at = parameters.pop("updates"), parameters.pop("settle_at")
            described = np.array(parameters.pop("action_features"), dtype=np.float64)
            rows = described.reshape(parameters["n_actions"], -1)
            model = cls(**parameters, action_features=rows)
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise CorruptRecordError(f"the {_KIND} state has wrong parameters: {error}") from error
        fill(_KIND, arrays, model._arrays())
        model.updates, model.settle_at = updates, settle_at
        return model
