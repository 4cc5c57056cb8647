"""Online Bayesian logistic regression as a value model on plain arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nba.bandits import kernels
from nba.bandits.constants import kept, positive, rate, require, whole
from nba.bandits.observations import as_situation
from nba.bandits.observing import FloatArray, ObservesEach
from nba.bandits.packing import fill, pack_state, unpack_state
from nba.bandits.protocols import Estimate
from nba.errors import CorruptRecordError, Fault, InputError

FORMAT = 1
"""Version of the bytes; raised with every change to their meaning."""

_KIND = "logistic"
_PRIOR_ROUNDS = 10.0
_BIAS_PRECISION = 1.0
_SLOPE_PRECISION = 20.0


class LogisticModel(ObservesEach):
    """Learns one logistic regression per action: rewards from 0 to 1, as chances of success.

    The arithmetic is that of :class:`nba.bandits.OnlineLogistic`: a Gaussian posterior by the
    online Laplace approximation, on features standardized as they arrive. In place of a propensity
    model's logit stands that of the mean reward so far, ``base_rate`` counting as ten observations
    of it, so that an action never seen is expected to do as all do, and not as a coin. The
    deviation of a chance p is p (1 - p) times that of its logit. With
    :class:`nba.bandits.Thompson` it is logistic Thompson sampling (Chapelle and Li, NeurIPS 2011).

    ``precision`` is the prior's on every feature's weight, a tenth of the inputs where not given;
    ``forgetting`` what an action's observations keep of their weight with each new one of it.
    Raises :class:`InputError` where a parameter is out of range.

    >>> model = LogisticModel(n_actions=2, n_features=1, base_rate=0.3)
    >>> model.estimate([7.0]).means.round(3).tolist()
    [0.3, 0.3]
    >>> model.update_many([[0.0], [1.0]] * 20, [0, 0] * 20, [0.0, 1.0] * 20)
    >>> bool(model.estimate([1.0]).means[0] > 0.8)
    True
    """

    def __init__(
        self,
        n_actions: int,
        n_features: int,
        *,
        base_rate: float = 0.1,
        precision: float | None = None,
        forgetting: float = 1.0,
    ) -> None:
        require(
            whole("n_actions", n_actions, 1),
            whole("n_features", n_features, 0),
            rate("base_rate", base_rate),
            None if precision is None else positive("precision", precision),
            kept("forgetting", forgetting),
        )
        self.base_rate = float(base_rate)
        self.precision = None if precision is None else float(precision)
        self.forgetting = float(forgetting)
        self.updates = 0
        d = 2 + n_features
        precisions = np.full(d, d / 10 if precision is None else precision)
        precisions[:2] = _BIAS_PRECISION, _SLOPE_PRECISION
        self._prior_variance = 1.0 / precisions
        self._earned = np.array([_PRIOR_ROUNDS, _PRIOR_ROUNDS * base_rate])  # weights, rewards
        self._scaling = np.zeros((3, n_features))  # rows: count, mean, sum of squared deviations
        self._counts = np.zeros(n_actions)
        self._mean = np.zeros((n_actions, d))
        self._mean[:, 1] = 1.0
        self._covariance = np.tile(np.diag(self._prior_variance), (n_actions, 1, 1))
        self._correction = np.empty((d, n_actions))
        self._packed = np.empty((d * (d + 1) // 2, n_actions))
        self._bind(range(n_actions))

    @property
    def n_actions(self) -> int:
        """How many actions there are."""
        return len(self._counts)

    @property
    def n_features(self) -> int:
        """How many features a situation has."""
        return self._scaling.shape[1]

    def _bind(self, actions: range) -> None:
        """Lay actions along the last axis, as predicting wants them."""
        for action in actions:
            mean, covariance = self._mean[action], self._covariance[action]
            kernels.refresh(action, mean, covariance, self._correction, self._packed)

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return chances of success and their deviations; see :class:`ValueModel`."""
        situation = as_situation(x, self.n_features)
        scale = kernels.inverse_deviations(self._scaling)
        base = np.full(self.n_actions, self._base_logit())
        logits, variances = np.empty(self.n_actions), np.empty(self.n_actions)
        kernels.predict(
            base,
            situation,
            self._scaling[1],
            scale,
            self._correction,
            self._packed,
            logits,
            variances,
        )
        chances = 1.0 / (1.0 + np.exp(-logits))
        return Estimate(chances, chances * (1.0 - chances) * np.sqrt(variances))

    def _base_logit(self) -> float:
        weight, reward = self._earned.tolist()
        return math.log(reward / (weight - reward)) if 0.0 < reward < weight else 0.0

    def require_rewards(self, rewards: FloatArray) -> None:
        """Raise :class:`InputError` naming each reward that is not from 0 to 1."""
        wrong = np.flatnonzero((rewards < 0.0) | (rewards > 1.0))
        if len(wrong):
            raise InputError(
                Fault(f"/rewards/{row}", f"found {rewards[row]}", "a number from 0 to 1")
                for row in wrong
            )

    def observe(self, x: FloatArray, action: int, reward: float, weight: float) -> None:
        """Learn from one observation that was checked."""
        kernels.learn(
            np.array([action]),
            np.array([self._base_logit()]),
            x[None],
            np.array([reward]),
            np.array([weight]),
            self.forgetting,
            self._prior_variance,
            self._scaling,
            self._counts,
            self._mean,
            self._covariance,
        )
        self._earned += weight, weight * reward
        self.updates += 1
        self._bind(range(action, action + 1))

    def _arrays(self) -> dict[str, FloatArray]:
        return {
            "earned": self._earned,
            "scaling": self._scaling,
            "counts": self._counts,
            "mean": self._mean,
            "covariance": self._covariance,
        }

    def to_bytes(self) -> bytes:
        """Return the whole state; :meth:`from_bytes` gives back its equal, to the last bit."""
        names = ("n_actions", "n_features", "base_rate", "precision", "forgetting", "updates")
        parameters: dict[str, Any] = {name: getattr(self, name) for name in names}
        return pack_state(_KIND, FORMAT, parameters, self._arrays())

    @classmethod
    def from_bytes(cls, data: bytes) -> LogisticModel:
        """Read a state back; raises :class:`CorruptRecordError` where the bytes are none."""
        parameters, arrays = unpack_state(data, _KIND, FORMAT)
        try:
            updates = parameters.pop("updates")
            model = cls(**parameters)
        except (KeyError, TypeError, InputError) as error:
            raise CorruptRecordError(f"the {_KIND} state has wrong parameters: {error}") from error
        fill(_KIND, arrays, model._arrays())
        model.updates = updates
        model._bind(range(model.n_actions))
        return model
