"""The default learner as a value model on plain arrays."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from nba.bandits.constants import rate, require, whole
from nba.bandits.hybrid import CorrectionFitter, HybridLearner
from nba.bandits.observations import as_observations
from nba.bandits.protocols import Estimate
from nba.bandits.settings import BanditSettings
from nba.errors import Fault, InputError

ALONE = BanditSettings(forest_outcomes=1)
"""Where no propensity model stands beneath, forests pay early."""


class HybridModel:
    """:class:`HybridLearner` for actions numbered from 0 and rewards from 0 to 1.

    Parameters
    ----------
    n_actions, n_features
        How many there are.
    fitter
        Fits the forests, such as ``nba.training.corrections.fit_correction``; ``None`` learns
        online alone, in constant memory.
    base_rate
        The reward to expect of an action before anything is known of it. Where rewards are rare,
        say so: a prior of one half makes everything untried look splendid.
    settings
        How it learns, :data:`ALONE` by default; their ``features`` are replaced.

    Raises :class:`InputError` where a number is out of range.

    """

    def __init__(
        self,
        n_actions: int,
        n_features: int,
        fitter: CorrectionFitter | None = None,
        *,
        base_rate: float = 0.5,
        settings: BanditSettings | None = None,
    ) -> None:
        require(
            whole("n_actions", n_actions, 1),
            whole("n_features", n_features, 0),
            rate("base_rate", base_rate),
        )
        self.n_actions = n_actions
        self.n_features = n_features
        names = tuple(f"x{column}" for column in range(n_features))
        self.learner = HybridLearner(replace(settings or ALONE, features=names), fitter)
        self._ids = [str(action) for action in range(n_actions)]
        self._prior_logit = math.log(base_rate / (1.0 - base_rate))
        self._priors = np.full(n_actions, self._prior_logit)
        self._bound = self.learner.bind(self._ids)

    @property
    def updates(self) -> int:
        """How many observations it has learned from."""
        return self.learner.updates

    @property
    def alarms(self) -> int:
        """How often it noticed that the world had changed."""
        return self.learner.alarms

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return what is expected of every action; deviations are by the delta method."""
        logits, variances = self._bound.estimate(self._priors, x)
        means = 1.0 / (1.0 + np.exp(-logits))
        return Estimate(means, means * (1.0 - means) * np.sqrt(variances))

    def update(
        self,
        x: ArrayLike,
        action: int,
        reward: float,
        weight: float = 1.0,
        probability: float = 1.0,
    ) -> None:
        """Learn from one observation; see :class:`nba.bandits.ValueModel`."""
        if not (isinstance(action, int | np.integer) and 0 <= action < self.n_actions):
            expected = f"a whole number from 0 to {self.n_actions - 1} is expected"
            raise InputError([Fault("/action", f"found {action!r}", expected)])
        if not 0.0 < probability <= 1.0:
            found = f"found {probability}"
            raise InputError([Fault("/probability", found, "above 0 and up to 1 is expected")])
        learner = self.learner
        alarms = learner.alarms
        learner.update(self._ids[action], self._prior_logit, x, reward, weight)
        if learner.refit_if_due() or learner.alarms != alarms:
            self._bound = learner.bind(self._ids)
        else:
            learner.rebind(self._bound, action, self._ids[action])

    def update_many(
        self,
        X: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        weights: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
    ) -> None:
        """Learn from observations in order; see :class:`nba.bandits.ValueModel`."""
        sizes = {"n_features": self.n_features, "n_actions": self.n_actions}
        rows, taken, earned, counts, _ = as_observations(
            X, actions, rewards, weights, probabilities, **sizes
        )
        ids = [self._ids[action] for action in taken.tolist()]
        priors = np.full(len(ids), self._prior_logit)
        self.learner.online.observations(ids, priors, rows, earned, counts)
        for x, action, reward, weight in zip(
            rows, taken.tolist(), earned.tolist(), counts.tolist(), strict=True
        ):
            self.update(x, action, reward, weight)
