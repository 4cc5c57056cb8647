"""The service's learners of rewards on plain arrays, beside no propensity model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from nba.bandits import BanditSettings, Estimate, Resolved, build_learner


class TaughtModel:
    """A learner of the service as a value model: of every action nothing is expected beforehand."""

    def __init__(self, settings: BanditSettings, n_actions: int, n_features: int) -> None:
        self.n_actions, self.n_features = n_actions, n_features
        features = tuple(f"f{column}" for column in range(n_features))
        self.learner = build_learner(replace(settings, features=features))
        self._ids = tuple(f"a{action}" for action in range(n_actions))
        self.learner.ensure(dict.fromkeys(self._ids, ()))
        self._nothing = np.zeros(n_actions)

    @property
    def updates(self) -> int:
        """How many observations it has learned from."""
        return self.learner.updates

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return what was learned of every action; see :class:`nba.bandits.ValueModel`."""
        found = self.learner.bind(self._ids).correct(self._nothing, x)
        means = self._nothing if found.rewards is None else found.rewards
        return Estimate(means, found.deviations, found.members)

    def update(
        self,
        x: ArrayLike,
        action: int,
        reward: float,
        weight: float = 1.0,
        probability: float = 1.0,
    ) -> None:
        """Learn from one observation; see :class:`nba.bandits.ValueModel`."""
        z, label = np.asarray(x, dtype=np.float64), float(reward > 0.0)
        about = self._ids[action], 0.0, z, label, reward, 0.0
        self.learner.learn(Resolved(*about, probability, self._ids, self._nothing))

    def update_many(
        self,
        X: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        weights: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
    ) -> None:
        """Learn from observations in order; see :class:`nba.bandits.ValueModel`."""
        rows, chosen, earned = (np.asarray(part) for part in (X, actions, rewards))
        chances = np.ones(len(chosen)) if probabilities is None else np.asarray(probabilities)
        for x, action, reward, chance in zip(rows, chosen, earned, chances, strict=True):
            self.update(x, int(action), float(reward), 1.0, float(chance))
