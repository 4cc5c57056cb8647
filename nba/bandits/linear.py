"""Linear regression of rewards, one per action, one for all, or both: recursive least squares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits import linear_state
from nba.bandits.bound_linear import BoundLinear, Pooled, combined
from nba.bandits.change import SHRUNK_TO
from nba.bandits.linear_parameters import Sharing, require_parameters
from nba.bandits.observations import as_action_features, as_rows
from nba.bandits.observing import FloatArray, ObservesEach
from nba.bandits.protocols import KIN_DOUBT, Estimate
from nba.bandits.reward_change import RewardChangeDetector
from nba.bandits.ridge import RidgeStack, lengthen, taken
from nba.bandits.standardizing import Standardizer

_ALL = slice(None)
_GROWTH = 1.5
"""Standardization moves, and inverses are computed anew, each time updates grow by this."""


class LinearModel(ObservesEach):
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
    both are estimated from there on, the base rate unless ``rate_moves`` is false: then an action
    never seen stays at it. ``forgetting`` is what an action's observations keep of their weight
    with each new one of it. Where rewards come to fit by ``change_threshold`` standard errors worse
    than before, most of what was learned is given up (:class:`RewardChangeDetector`); ``None``
    looks out for nothing.

    There may be no action yet: :meth:`grow` adds some, and :meth:`inherit` starts one where its kin
    have got to.

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
        rate_moves: bool = True,
        noise_variance: float = 0.25,
        change_threshold: float | None = None,
    ) -> None:
        described = action_features
        if described is None:
            described = np.zeros((max(int(n_actions), 0), 0))
        features = np.asarray(described, dtype=np.float64)
        self.sharing: Sharing = sharing
        self.ridge = float(ridge)
        self.forgetting = float(forgetting)
        self.base_rate = float(base_rate)
        self.rate_moves = bool(rate_moves)
        self.noise_variance = float(noise_variance)
        require_parameters(
            n_actions=n_actions,
            n_features=n_features,
            sharing=sharing,
            action_features=features,
            ridge=self.ridge,
            forgetting=self.forgetting,
            base_rate=self.base_rate,
            noise_variance=self.noise_variance,
            change_threshold=change_threshold,
        )
        self.change: RewardChangeDetector | None = None
        self.updates = 0
        self.earned = np.zeros(2)  # sums of weights, and of weight times reward
        self.frame = Standardizer(n_features)
        self.groups = np.zeros((0, 1))
        d = 1 + n_features
        self.own = RidgeStack(0, np.full(d, self.ridge))
        self.starts = np.zeros((0, d))
        self.pooled = RidgeStack(0 if sharing == "per_action" else 1, np.full(d, self.ridge))
        self.residuals = np.zeros(len(self.pooled.counts) if sharing == "shared" else 0)
        self.settle_at = 1
        self.grow(features)
        self.watch(change_threshold)

    @property
    def n_actions(self) -> int:
        """How many actions there are."""
        return len(self.groups)

    @property
    def n_features(self) -> int:
        """How many features a situation has."""
        return self.frame.n_features

    @property
    def change_threshold(self) -> float | None:
        """Standard errors beyond which a worse fit is a change; ``None`` looks out for none."""
        return None if self.change is None else self.change.detector.threshold

    @property
    def alarms(self) -> int:
        """How often it noticed that rewards had changed."""
        return 0 if self.change is None else self.change.detector.alarms

    def watch(self, change_threshold: float | None) -> None:
        """Look out for change by another threshold from now on, or no more for ``None``."""
        if change_threshold is None:
            self.change = None
        elif self.change is None:
            self.change = RewardChangeDetector(self.n_actions, change_threshold)
        else:
            self.change.detector.threshold = change_threshold

    @property
    def action_features(self) -> FloatArray:
        """What tells actions apart, ``(n_actions, p)``."""
        return self.groups[:, 1:]

    def grow(self, action_features: ArrayLike) -> None:
        """Add actions, ``(m, p')`` features of theirs given; all that was learned is kept.

        With more features than before, ``p' > p``, the earlier actions have 0 of those added. The
        model then equals one that had had all of them from the start, to rounding, where nothing is
        forgotten. On average a call costs what it adds. Raises :class:`InputError` for fewer
        features, or one that is not finite.
        """
        n, p = self.action_features.shape
        added = as_action_features(action_features, p)
        if added.shape[1] > p:
            self.groups = np.column_stack([self.groups, np.zeros((n, added.shape[1] - p))])
            width = len(self.own.prior) * self.groups.shape[1]
            self.pooled.widen(np.full(width, self.ridge))
        self.groups = lengthen(self.groups, n + len(added))
        self.groups[n:, 0] = 1.0
        self.groups[n:, 1:] = added
        self.starts = lengthen(self.starts, self.n_actions)
        if self.change is not None:
            self.change.grow(self.n_actions)
        if self.sharing != "shared":
            self.own.grow(self.n_actions)
            self.residuals = lengthen(self.residuals, self.n_actions)

    def describe(self, actions: ArrayLike, action_features: ArrayLike) -> None:
        """Tell some known actions apart by other features from now on, ``(m, p)`` as they are.

        What was learned is kept, of an action and of what it had the features of.
        """
        rows = as_rows(actions, self.n_actions)
        described = as_action_features(action_features, self.action_features.shape[1])
        self.groups[rows, 1 : 1 + described.shape[1]] = described

    def reset(self, actions: ArrayLike) -> None:
        """Forget everything about some actions ``(m,)``, and where they started.

        What the shared part learned from them stays: it cannot be told apart. So does the base
        rate, and with ``shared`` nothing is forgotten.
        """
        rows = as_rows(actions, self.n_actions)
        if self.change is not None:
            self.change.reset(rows)
        if self.sharing != "shared":
            self.own.reset(rows)
            self.starts[rows] = 0.0
            self.residuals[rows] = 0.0

    def widen(self, share: float) -> None:
        """Give up what was learned in part, as when the world has changed.

        What was learned of every action, and by all together, counts for no more than ``share``
        times the prior afterwards, however much it was: deviations are wide again, and expectations
        back near the prior's. Of the starts that actions have from their kin, and of the base rate
        that was learned, as much is left. The scale of features stays.
        """
        self.own.shrink(share)
        self.pooled.shrink(share)
        self.starts *= share
        self.earned *= share * self.ridge / (self.ridge + self.earned[0])
        self._judge_all()

    def inherit(self, action: int, kin: ArrayLike) -> None:
        """Start an action where its ``kin`` ``(m,)`` have got to; nothing changes without any.

        The prior mean of its weights moves by the mean of what those of its kin have moved from
        theirs, each by n / (n + 50) where it was observed n times. It is no surer than before,
        since it may well be different. With ``shared`` an action has no weights to start from.
        """
        rows, (row,) = as_rows(kin, self.n_actions), as_rows([action], self.n_actions)
        if self.sharing == "shared" or len(rows) == 0:
            return
        means = self._prior_means(rows)
        learned = np.empty_like(means)
        for index, known in enumerate(rows.tolist()):
            prior = self.own.prior * (means[index] + self.starts[known])
            learned[index] = self.own.weights(known, prior) - means[index]
        seen = self.own.counts[rows]
        self.starts[row] = (learned * (seen / (seen + KIN_DOUBT))[:, None]).mean(axis=0)

    def estimate(self, x: ArrayLike) -> Estimate:
        """Return expected rewards and their standard deviations; see :class:`ValueModel`."""
        return self.view().estimate(x)

    def view(self, rows: slice = _ALL) -> BoundLinear:
        """Return what is expected now of all actions, or some, good until something is learned."""
        groups, starts, own = self.groups[rows], self.starts[rows], self.own
        pooled = None if self.sharing == "per_action" else self.pooled.inverse[0]
        return self._bound(self.frame, groups, starts, own.inverse[rows], own.moments[rows], pooled)

    def expected(self, x: FloatArray, action: int) -> float:
        """Return what one action is expected to earn in a situation that was checked."""
        return float(self.view(slice(action, action + 1)).means(x)[0])

    def bind(self, actions: ArrayLike) -> BoundLinear:
        """Return what is expected now of some actions ``(m,)``; later updates do not reach it.

        -1 is an action that is not known: without features, and never seen.
        """
        rows = as_rows(actions, self.n_actions, least=-1)
        frame = Standardizer(self.n_features)
        frame.shift, frame.scale = self.frame.shift.copy(), self.frame.scale.copy()
        groups = taken(self.groups, rows, np.eye(1, self.groups.shape[1])[0])
        nothing = np.zeros_like(self.own.prior)
        starts = taken(self.starts, rows, nothing)
        pooled = None if self.sharing == "per_action" else self.pooled.inverse[0].copy()
        if self.sharing == "shared":
            return self._bound(frame, groups, starts, self.own.inverse, self.own.moments, pooled)
        inverse = taken(self.own.inverse, rows, self.own.unseen)
        moments = taken(self.own.moments, rows, nothing)
        return self._bound(frame, groups, starts, inverse, moments, pooled)

    def _bound(
        self,
        frame: Standardizer,
        groups: FloatArray,
        starts: FloatArray,
        inverse: FloatArray,
        moments: FloatArray,
        pooled: FloatArray | None,
    ) -> BoundLinear:
        prior = self.own.prior
        shared = None if pooled is None else Pooled(pooled, groups, prior)
        means = self._prior_means_of(groups)
        if self.sharing == "shared":
            return BoundLinear(frame, self.noise(), None, means, shared)
        totals = moments + prior * (means + starts)
        return BoundLinear(frame, self.noise(), inverse, totals, shared)

    def _prior_means(self, rows: NDArray[np.intp]) -> FloatArray:
        return self._prior_means_of(self.groups[rows])

    def _prior_means_of(self, groups: FloatArray) -> FloatArray:
        """Return the weights that are expected of actions before their own are, ``(m, d)``."""
        if self.sharing == "per_action":
            means = np.zeros((len(groups), len(self.own.prior)))
            means[:, 0] = self.rate()
            return means
        weights = self.pooled.weights(0, self._pooled_prior())
        return combined(groups, weights.reshape(groups.shape[1], -1))

    def _pooled_prior(self) -> FloatArray:
        prior = np.zeros_like(self.pooled.prior)
        prior[0] = self.ridge * self.rate()
        return prior

    def rate(self) -> float:
        """Return the base rate: the mean of all rewards and of one observation of the prior's."""
        if not self.rate_moves:
            return self.base_rate
        return float((self.base_rate + self.earned[1]) / (1.0 + self.earned[0]))

    def noise(self) -> float:
        """Return the variance of the noise that the residuals show.

        An action's residual is computed when it is observed, and all of them on settling.
        """
        counts = self.own.counts if len(self.own.counts) else self.pooled.counts
        return float((self.noise_variance + self.residuals.sum()) / (1.0 + counts.sum()))

    def observe(
        self, x: FloatArray, action: int, reward: float, weight: float
    ) -> FloatArray | None:
        """Learn from one observation that was checked; return how the frame moved, if it did.

        A missing feature counts as its mean so far. Where the world is found to have changed, most
        of what was learned is given up.

        That is the matrix ``(d, d)`` from inputs in the frame before to those in the frame now.
        """
        changed = False
        if self.change is not None:
            error = reward - self.expected(x, action)
            changed = self.change.observe(action, error, weight, self.forgetting)
        moved = self._learn(x, action, reward, weight)
        if changed:
            self.widen(SHRUNK_TO)
        return moved

    def _learn(self, x: FloatArray, action: int, reward: float, weight: float) -> FloatArray | None:
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
            return self._move()
        if self.sharing == "shared":
            self.residuals[0] = self.pooled.residual(0, self._pooled_prior())
        else:
            self._judge(np.array([action]))
        return None

    def settle(self) -> None:
        """Standardize by all that was seen, and compute everything anew from sums.

        Happens by itself whenever updates have grown by half. Afterwards what is estimated depends
        on the observations alone and not on their order, to rounding, unless something was
        forgotten or missing.
        """
        self._move()

    def _move(self) -> FloatArray:
        change = self.frame.move()
        self.reframe(change)
        self.settle_at = max(self.updates + 1, int(_GROWTH * self.updates))
        return change

    def reframe(self, change: FloatArray) -> None:
        """Express all that was learned in the inputs ``change @ inputs``; see the frame."""
        self.own.reframe(change)
        if self.starts.any():  # a product of that size keeps a thread of BLAS busy for long
            self.starts[:] = self.starts @ np.linalg.inv(change)
        self.pooled.reframe(np.kron(np.eye(self.groups.shape[1]), change).astype(np.float64))
        self._judge_all()

    def _judge_all(self) -> None:
        if self.sharing == "shared":
            self.residuals[0] = self.pooled.residual(0, self._pooled_prior())
        else:
            self._judge(np.flatnonzero(self.own.counts))

    def _judge(self, actions: NDArray[np.intp]) -> None:
        """Compute what is left unexplained of some actions' rewards."""
        means = self._prior_means(actions) + self.starts[actions]
        for index, action in enumerate(actions.tolist()):
            self.residuals[action] = self.own.residual(action, self.own.prior * means[index])

    def parameters(self) -> dict[str, Any]:
        """Return what the model was made with, by the constructor's names."""
        actions = {"n_actions": self.n_actions, "action_features": self.action_features.tolist()}
        return linear_state.parameters_of(self) | actions

    def to_bytes(self) -> bytes:
        """Return the whole state; :meth:`from_bytes` gives back its equal, to the last bit."""
        return linear_state.to_bytes(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> LinearModel:
        """Read a state back; raises :class:`CorruptRecordError` where the bytes are none."""
        return linear_state.from_bytes(data, cls)
