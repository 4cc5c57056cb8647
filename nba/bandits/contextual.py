"""The contextual bandit on plain arrays: a value model, an explorer, bounds, replayable draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits.draw import draw, uniform
from nba.bandits.observations import as_numbers
from nba.bandits.projection import project
from nba.bandits.protocols import Estimate, Explorer, ValueModel
from nba.errors import Fault, InputError


@dataclass(frozen=True, slots=True)
class Draw:
    """What one round chose.

    ``probability`` is the chance with which ``action`` was drawn, ``probabilities``
    ``(n_actions,) float64`` those of all actions, 0 where not available. The same bandit gives the
    same draw for the same ``round``.
    """

    action: int
    probability: float
    probabilities: NDArray[np.float64]
    round: int


class ContextualBandit:
    """Decides among the actions available and learns from what came of them.

    ``floor`` and ``ceiling`` bound the probability of every available action and are met exactly
    wherever they can be (see :func:`nba.bandits.project`). Rounds are numbered from 0; round
    ``r`` is drawn by the ``r``-th number of the stream that ``seed`` starts.

    Raises :class:`InputError` where a bound is not a probability or the floor is above the ceiling.

    >>> from nba.bandits import ContextualBandit, EpsilonGreedy, LinearModel
    >>> bandit = ContextualBandit(LinearModel(n_actions=2, n_features=1), EpsilonGreedy(), seed=7)
    >>> for _ in range(200):
    ...     chosen = bandit.decide([1.0])
    ...     bandit.learn([1.0], chosen.action, reward=float(chosen.action == 1))
    >>> bandit.predict_proba([[1.0]]).round(3).tolist()
    [[0.025, 0.975]]
    """

    def __init__(
        self,
        model: ValueModel,
        explorer: Explorer,
        *,
        floor: float = 0.0,
        ceiling: float = 1.0,
        seed: int = 0,
    ) -> None:
        if not 0.0 <= floor <= ceiling <= 1.0:
            found = f"found floor {floor} and ceiling {ceiling}"
            raise InputError([Fault("/floor", found, "0 ≤ floor ≤ ceiling ≤ 1 is expected")])
        self.model = model
        self.explorer = explorer
        self.floor = floor
        self.ceiling = ceiling
        self.seed = seed
        self.rounds = 0

    def decide(self, x: ArrayLike, available: ArrayLike | None = None) -> Draw:
        """Draw an action for the situation ``x`` ``(n_features,)`` and count the round.

        ``available`` ``(n_actions,) bool`` says which actions guardrails left, ``None`` is all.
        Raises :class:`InputError` where none is left.
        """
        probabilities = self.probabilities(x, available)
        action = draw(probabilities, uniform(self.seed, self.rounds))
        drawn = Draw(action, float(probabilities[action]), probabilities, self.rounds)
        self.rounds += 1
        return drawn

    def learn(
        self,
        x: ArrayLike,
        action: int,
        reward: float,
        weight: float = 1.0,
        *,
        probability: float = 1.0,
    ) -> None:
        """Learn what came of an action; see :class:`nba.bandits.ValueModel`.

        ``probability`` is the chance the action was drawn with; a
        :class:`nba.bandits.CoverModel` needs it.
        """
        self.model.update(x, action, reward, weight, probability)

    def probabilities(
        self, x: ArrayLike, available: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of every action, ``(n_actions,)``, without counting a round."""
        kept = self._kept(available)
        estimate = self.model.estimate(x)
        chances = self._explored(estimate, kept)
        if self.floor > 0.0 or self.ceiling < 1.0:
            floors = np.full(len(kept), self.floor)
            chances = project(chances, floors, np.full(len(kept), self.ceiling))
        result = np.zeros(self.model.n_actions)
        result[kept] = chances
        return result

    def _explored(self, estimate: Estimate, kept: NDArray[np.intp]) -> NDArray[np.float64]:
        left = estimate.each(lambda part: part[..., kept])
        return self.explorer.probabilities(
            left.means,
            updates=self.model.updates,
            deviations=left.deviations,
            members=left.members,
        )

    def _kept(self, available: ArrayLike | None) -> NDArray[np.intp]:
        n = self.model.n_actions
        if available is None:
            return np.arange(n)
        mask = np.asarray(available)
        if mask.dtype != np.bool_ or mask.shape != (n,):
            found = f"found {mask.dtype} of shape {mask.shape}"
            raise InputError([Fault("/available", found, f"bool of shape ({n},) is expected")])
        kept = np.flatnonzero(mask)
        if len(kept) == 0:
            found = f"none of {n} actions is available"
            raise InputError([Fault("/available", found, "leave one, such as saying nothing")])
        return kept

    def partial_fit(
        self,
        X: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        probabilities: ArrayLike | None = None,
    ) -> ContextualBandit:
        """Learn from ``(m, n_features)`` situations, ``(m,)`` actions and rewards, in order.

        ``probabilities`` ``(m,)`` are those of the choices; see :meth:`learn`.
        """
        self.model.update_many(X, actions, rewards, sample_weight, probabilities)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return ``(m, n_actions)`` probabilities for ``(m, n_features)`` situations."""
        rows = as_numbers("/X", X)
        found = np.array([self.probabilities(x) for x in rows], dtype=np.float64)
        return found.reshape(len(rows), self.model.n_actions)

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """Return the action of highest expected reward, ``(m,)``; of equals the first.

        That is what is believed best, not what would be drawn: nothing is explored.
        """
        rows = as_numbers("/X", X)
        return np.array([np.argmax(self.model.estimate(x).means) for x in rows], dtype=np.intp)
