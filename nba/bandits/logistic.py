"""Online Bayesian logistic regression on top of a propensity model, one posterior per action.

The input of an observation is ``x = [1, m, z₁ … z_k]``: a bias, the propensity model's calibrated
logit ``m`` (the prior logit of the action's base rate where there is no model) and the situation's
features, standardized as they arrive; missing is 0, the average. The prior mean is ``[0, 1, 0 …]``,
so that an action without observations is scored exactly as the propensity model scores it, and
what is learned is where that model is wrong.

An observation moves the posterior to its Laplace approximation: the mode along the only direction
it can move in, Σx, found by a safeguarded Newton search, and a Sherman-Morrison update of Σ by the
curvature there. The step is bounded by the label's distance from the prediction, so nothing
diverges. Sources: Spiegelhalter and Lauritzen, *Networks* 20 (1990); MacKay, *The evidence
framework applied to classification networks*, Neural Computation 4 (1992), for moderation.

Numbers that keep this safe: logits count up to ±20, standardized features up to ±5, and every
update pulls Σ towards the prior's by a part in 10¹², far above rounding and far below any effect,
so that Σ is never singular and never exceeds the prior's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits import kernels
from nba.bandits.bound_logistic import BoundLogistic
from nba.bandits.labelled import Observations, as_labelled
from nba.bandits.protocols import KIN_DOUBT
from nba.bandits.settings import BanditSettings
from nba.errors import ConflictError, CorruptRecordError, InputError

FORMAT = 1
"""Version of the bytes; raised with every change to their meaning."""

_FIRST_CAPACITY = 16
_NUMBER = np.dtype("<f8")


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    """The state as bytes: arrays are little-endian float64 in C order."""

    format: int
    settings: BanditSettings
    actions: list[str]
    updates: int
    scaling: bytes
    counts: bytes
    mean: bytes
    covariance: bytes


class OnlineLogistic:
    """Learns one logistic regression per action, an observation at a time.

    The same observations in the same order give the same bytes. Actions are registered when they
    are first seen and keep their slot.
    """

    def __init__(self, settings: BanditSettings) -> None:
        self.settings = settings
        self.updates = 0
        d = 2 + len(settings.features)
        weights = settings.prior_precision_weights
        precision = np.full(d, d / 10 if weights is None else weights)
        precision[:2] = settings.prior_precision_bias, settings.prior_precision_slope
        self._prior_variance = 1.0 / precision
        self._slots: dict[str, int] = {}
        self._scaling = np.zeros((3, d - 2))  # rows: count, mean, sum of squared deviations
        self._counts = np.zeros(0)
        self._mean = np.zeros((0, d))
        self._covariance = np.zeros((0, d, d))

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action registered, in slot order."""
        return tuple(self._slots)

    def count(self, action_id: str) -> float:
        """Return the total weight an action has been observed with, less what was forgotten."""
        slot = self._slots.get(action_id)
        return 0.0 if slot is None else float(self._counts[slot])

    def mean(self, action_id: str) -> NDArray[np.float64]:
        """Return the posterior mean of a known action, ``(2 + k,) float64``."""
        mean: NDArray[np.float64] = self._mean[self._slots[action_id]].copy()
        return mean

    def ensure(self, action_ids: Iterable[str]) -> None:
        """Register actions at the prior; those known keep what was learned."""
        for action_id in action_ids:
            slot = self._slots.setdefault(action_id, len(self._slots))
            if slot == len(self._counts):
                self._grow()

    def _grow(self) -> None:
        old, d = self._mean.shape
        new = max(_FIRST_CAPACITY, 2 * old)
        self._counts = np.concatenate([self._counts, np.zeros(new - old)])
        mean = np.zeros((new - old, d))
        mean[:, 1] = 1.0
        self._mean = np.concatenate([self._mean, mean])
        prior = np.broadcast_to(np.diag(self._prior_variance), (new - old, d, d))
        self._covariance = np.concatenate([self._covariance, prior])

    def update(
        self,
        action_id: str,
        model_logit: float,
        z: ArrayLike,
        label: float,
        weight: float = 1.0,
    ) -> None:
        """Learn from one observation; see :meth:`update_many`."""
        features = np.asarray(z, dtype=np.float64)
        self.update_many([action_id], [model_logit], features[None], [label], [weight])

    def update_many(
        self,
        action_ids: Sequence[str],
        model_logits: ArrayLike,
        z: ArrayLike,
        labels: ArrayLike,
        weights: ArrayLike | None = None,
    ) -> None:
        """Learn from observations in order, exactly as one call each would.

        ``model_logits`` ``(n,)``, ``z`` ``(n, k)`` with NaN where missing, ``labels`` ``(n,)`` from
        0 to 1 (a fraction is a partial success), ``weights`` ``(n,)`` above 0 and up to 10⁶, 1
        where not given. Actions not seen before are registered.

        Raises :class:`InputError` with every fault, and then nothing is learned.
        """
        self.learn(self.observations(action_ids, model_logits, z, labels, weights))

    def observations(
        self,
        action_ids: Sequence[str],
        model_logits: ArrayLike,
        z: ArrayLike,
        labels: ArrayLike,
        weights: ArrayLike | None = None,
    ) -> Observations:
        """Return observations as arrays that were checked; see :meth:`update_many`."""
        k = len(self.settings.features)
        return as_labelled(action_ids, model_logits, z, labels, weights, k)

    def learn(self, rows: Observations) -> None:
        """Learn from observations that were checked, in order."""
        self.ensure(rows.action_ids)
        n = len(rows.action_ids)
        slots = np.fromiter((self._slots[name] for name in rows.action_ids), np.intp, n)
        kernels.learn(
            slots,
            rows.model_logits,
            rows.z,
            rows.labels,
            rows.weights,
            self.settings.forgetting,
            self._prior_variance,
            self._scaling,
            self._counts,
            self._mean,
            self._covariance,
        )
        self.updates += n

    def predict(
        self, action_id: str, model_logit: float, z: NDArray[np.float64]
    ) -> tuple[float, float]:
        """Return the moderated logit of one action and its variance; see :class:`BoundLogistic`.

        ``z`` is ``(k,) float64``, of :class:`Observations`.
        """
        slot = self._slots.get(action_id)
        if slot is None:
            self.ensure([action_id])
            slot = self._slots[action_id]
        found: tuple[float, float] = kernels.predict_one(
            model_logit, z, self._scaling, self._mean[slot], self._covariance[slot]
        )
        return found

    def knows(self, action_id: str) -> bool:
        """Whether an action is registered."""
        return action_id in self._slots

    def start(self, action_id: str, kin: Sequence[str]) -> bool:
        """Register an action where its kin have got to; ``False`` where it is known already.

        Its mean starts as far from the prior's as :meth:`inherited` says; its covariance is the
        prior's, since it may well be different.
        """
        if action_id in self._slots:
            return False
        self.ensure([action_id])
        self.inherit(action_id, kin)
        return True

    def inherit(self, action_id: str, kin: Sequence[str]) -> None:
        """Move a known action's mean to where its kin have got to, where any are known."""
        if any(name in self._slots for name in kin):
            mean = self.inherited(kin)
            mean[1] += 1.0
            self._mean[self._slots[action_id]] = mean

    def inherited(self, kin: Sequence[str]) -> NDArray[np.float64]:
        """Return how far from the prior's a mean starts that has such kin, ``(2 + k,)``.

        That is the mean of theirs, each moved back to the prior's the less was seen of it, by
        n / (n + 50). Kin that are not known do not count; without any it is 0.
        """
        known = [name for name in kin if name in self._slots]
        if not known:
            return np.zeros_like(self._prior_variance)
        seen = np.array([self.count(name) for name in known])
        mean: NDArray[np.float64] = (
            self.learned(known) * (seen / (seen + KIN_DOUBT))[:, None]
        ).mean(axis=0)
        return mean

    def forget(self, action_ids: Iterable[str]) -> None:
        """Put known actions back to the prior."""
        for action_id in action_ids:
            slot = self._slots.get(action_id)
            if slot is not None:
                self._mean[slot] = 0.0
                self._mean[slot, 1] = 1.0
                self._covariance[slot] = np.diag(self._prior_variance)
                self._counts[slot] = 0.0

    def widen(self, share: float) -> None:
        """Give up what was learned in part, as when the world has changed.

        Every action's covariance goes halfway back to the prior's, and ``share`` of its mean's
        distance to the prior's is left. Scaling and counts stay.
        """
        n = len(self._slots)
        prior_mean = np.zeros(self._mean.shape[1])
        prior_mean[1] = 1.0
        self._mean[:n] = prior_mean + share * (self._mean[:n] - prior_mean)
        self._covariance[:n] = 0.5 * (self._covariance[:n] + np.diag(self._prior_variance))

    def rebind(self, bound: BoundLogistic, index: int, action_id: str) -> None:
        """Bring a bound copy of one's own up to date at one candidate, after it was observed."""
        slot = self._slots[action_id]
        bound.refresh(index, self._mean[slot], self._covariance[slot], *self._standardization())

    def learned(self, action_ids: Sequence[str]) -> NDArray[np.float64]:
        """Return how far each mean is from the prior's, ``(n, 2 + k)``; 0 for what is unknown."""
        slots, known = self._slots_of(action_ids)
        learned = np.zeros((len(slots), len(self._prior_variance)))
        learned[known] = self._mean[slots[known]]
        learned[known, 1] -= 1.0
        return learned

    def _slots_of(self, action_ids: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the slot of each, ``(n,)``, and which are known."""
        found = (self._slots.get(action_id, -1) for action_id in action_ids)
        slots = np.fromiter(found, np.intp, len(action_ids))
        return slots, slots >= 0

    def bind(
        self, action_ids: Sequence[str], towards: NDArray[np.float64] | None = None
    ) -> BoundLogistic:
        """Return what is known now about candidates; an action never seen is at the prior.

        Later updates do not reach it. With ``towards`` ``(n, 2 + k)`` the prior's mean is that much
        further on for each, and posteriors follow as far as observations do not speak against it:
        by Σ Σ₀⁻¹ times it, Σ being the posterior's covariance and Σ₀ the prior's.
        """
        slots, known = self._slots_of(action_ids)
        d = len(self._prior_variance)
        covariance = np.broadcast_to(np.diag(self._prior_variance), (len(slots), d, d)).copy()
        covariance[known] = self._covariance[slots[known]]
        correction = self.learned(action_ids)
        if towards is not None:
            correction += np.einsum("nab,nb->na", covariance, towards / self._prior_variance)
        rows, columns = np.tril_indices(d)
        packed = np.ascontiguousarray(covariance[:, rows, columns].T)
        return BoundLogistic(np.ascontiguousarray(correction.T), packed, *self._standardization())

    def _standardization(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._scaling[1].copy(), kernels.inverse_deviations(self._scaling)

    def to_bytes(self) -> bytes:
        """Return the whole state; :meth:`from_bytes` gives back its equal, to the last bit."""
        n = len(self._slots)
        record = _Record(
            FORMAT,
            self.settings,
            list(self._slots),
            self.updates,
            *(
                array.astype(_NUMBER).tobytes()
                for array in (
                    self._scaling,
                    self._counts[:n],
                    self._mean[:n],
                    self._covariance[:n],
                )
            ),
        )
        return msgspec.msgpack.encode(record)

    @classmethod
    def from_bytes(cls, data: bytes, settings: BanditSettings | None = None) -> OnlineLogistic:
        """Read a state back.

        With ``settings``, learning goes on under them instead of those it was stored with.

        Raises :class:`CorruptRecordError` where the bytes are not such a state, and
        :class:`ConflictError` where it was learned on other features than ``settings`` name.
        """
        record = _decode(data)
        stored = record.settings.features
        if settings is not None and settings.features != stored:
            raise ConflictError(
                f"the learned state has the {len(stored)} features {list(stored)}, the settings "
                f"name the {len(settings.features)} features {list(settings.features)}; keep the "
                "features or rebuild the state from the log"
            )
        learner = cls(record.settings if settings is None else settings)
        learner.updates = record.updates
        learner.ensure(record.actions)
        n, d = len(learner._slots), len(learner._prior_variance)
        if n != len(record.actions):
            raise CorruptRecordError("the bandit's state names an action twice")
        learner._scaling = _array(record.scaling, (3, d - 2))
        learner._counts[:n] = _array(record.counts, (n,))
        learner._mean[:n] = _array(record.mean, (n, d))
        learner._covariance[:n] = _array(record.covariance, (n, d, d))
        return learner


def _decode(data: bytes) -> _Record:
    try:
        found = msgspec.msgpack.decode(data)
        version = found.get("format") if isinstance(found, dict) else None
        if version != FORMAT:
            raise CorruptRecordError(
                f"the bandit's state has format {version!r}; this version reads format {FORMAT}; "
                "rebuild the state from the log"
            )
        return msgspec.convert(found, _Record)
    except (msgspec.MsgspecError, InputError) as error:
        raise CorruptRecordError(f"the bandit's state cannot be read: {error}") from error


def _array(data: bytes, shape: tuple[int, ...]) -> NDArray[np.float64]:
    expected = int(np.prod(shape)) * _NUMBER.itemsize
    if len(data) != expected:
        raise CorruptRecordError(
            f"the bandit's state has {len(data)} bytes where shape {shape} needs {expected}"
        )
    return np.frombuffer(data, dtype=_NUMBER).astype(np.float64).reshape(shape)
