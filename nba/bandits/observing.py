"""How value models learn that take in one observation of one action at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.observations import as_observations

FloatArray = NDArray[np.float64]


class ObservesEach(ABC):
    """Checks observations, and hands them to :meth:`observe` in order."""

    @property
    @abstractmethod
    def n_actions(self) -> int:
        """How many actions there are."""

    @property
    @abstractmethod
    def n_features(self) -> int:
        """How many features a situation has."""

    @abstractmethod
    def observe(self, x: FloatArray, action: int, reward: float, weight: float) -> object:
        """Learn from one observation that was checked."""

    def require_rewards(self, rewards: FloatArray) -> None:  # noqa: B027 - any will do, as a rule
        """Raise :class:`nba.errors.InputError` for rewards ``(m,)`` that this model cannot take."""

    def update(
        self,
        x: ArrayLike,
        action: int,
        reward: float,
        weight: float = 1.0,
        probability: float = 1.0,
    ) -> None:
        """Learn from one observation; see :class:`nba.bandits.ValueModel`."""
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
        """Learn from observations in order; see :class:`nba.bandits.ValueModel`.

        Rewards beyond ±1e6 are refused.
        """
        sizes = {"n_features": self.n_features, "n_actions": self.n_actions}
        features, chosen, earned, counted, _ = as_observations(
            X, actions, rewards, weights, probabilities, **sizes
        )
        self.require_rewards(earned)
        for x, action, reward, weight in zip(
            features, chosen.tolist(), earned.tolist(), counted.tolist(), strict=True
        ):
            self.observe(x, action, reward, weight)
