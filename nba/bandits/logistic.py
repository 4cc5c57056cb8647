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
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits import kernels
from nba.bandits.settings import BanditSettings
from nba.errors import ConflictError, CorruptRecordError, Fault, InputError

FORMAT = 1
"""Version of the bytes; raised with every change to their meaning."""

MAX_WEIGHT = 1e6
"""Largest weight of one observation."""

_FIRST_CAPACITY = 16
_KIN_DOUBT = 50.0
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


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Observations that were checked; see :meth:`OnlineLogistic.update_many` for their shapes."""

    action_ids: Sequence[str]
    model_logits: NDArray[np.float64]
    z: NDArray[np.float64]
    labels: NDArray[np.float64]
    weights: NDArray[np.float64]


class BoundLogistic:
    """What was learned about some candidates, frozen, as arrays in their order."""

    __slots__ = ("_correction", "_covariance", "_scale", "_shift")

    def __init__(
        self,
        correction: NDArray[np.float64],
        covariance: NDArray[np.float64],
        shift: NDArray[np.float64],
        scale: NDArray[np.float64],
    ) -> None:
        # Candidates lie along the last axis, so that the kernel's inner loops run over them.
        self._correction = correction  # (d, n) posterior mean less prior mean
        self._covariance = covariance  # (d (d + 1) / 2, n) lower triangle by rows
        self._shift = shift  # (k,)
        self._scale = scale  # (k,)

    def logits(self, model_logits: NDArray[np.float64], z: ArrayLike) -> NDArray[np.float64]:
        """Return the logit of every candidate, ``(n,) float64``.

        ``model_logits`` ``(n,)`` are the propensity model's, ``z`` ``(k,)`` the situation's
        features in the settings' order, NaN where missing. The learned correction is moderated by
        its variance v, as ``m + (w·x - m) / √(1 + π v / 8)``: towards the propensity model and not
        towards one half, since that model's logit is calibrated as it stands.

        Raises :class:`InputError` for another shape, a logit that is not finite or a feature
        beyond 1e100.
        """
        return self.estimate(model_logits, z)[0]

    def variances(self, model_logits: NDArray[np.float64], z: ArrayLike) -> NDArray[np.float64]:
        """Return the posterior variance of every candidate's logit, ``(n,) float64``."""
        return self.estimate(model_logits, z)[1]

    def among(self, rows: NDArray[np.intp]) -> BoundLogistic:
        """Return the same about some of the candidates alone, ``rows`` ``(m,)`` in that order."""
        return BoundLogistic(
            np.take(self._correction, rows, axis=1),
            np.take(self._covariance, rows, axis=1),
            self._shift,
            self._scale,
        )

    def refresh(
        self,
        index: int,
        mean: NDArray[np.float64],
        covariance: NDArray[np.float64],
        shift: NDArray[np.float64],
        scale: NDArray[np.float64],
    ) -> None:
        """Take one candidate's posterior and the standardization; for its owner alone."""
        kernels.refresh(index, mean, covariance, self._correction, self._covariance)
        self._shift[:] = shift
        self._scale[:] = scale

    def estimate(
        self, model_logits: NDArray[np.float64], z: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return logits and variances, ``(n,)`` each; as the two methods above, at once."""
        logits = np.ascontiguousarray(model_logits, dtype=np.float64)
        features = np.ascontiguousarray(z, dtype=np.float64)
        _require_shape("/model_logits", logits, (self._correction.shape[1],))
        _require_shape("/z", features, self._shift.shape)
        moderated = np.empty_like(logits)
        variances = np.empty_like(logits)
        if not kernels.predict(
            logits,
            features,
            self._shift,
            self._scale,
            self._correction,
            self._covariance,
            moderated,
            variances,
        ):
            raise InputError([*_not_finite("/model_logits", logits), *_too_large("/z", features)])
        return moderated, variances


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
        n = len(action_ids)
        logits = np.ascontiguousarray(model_logits, dtype=np.float64)
        features = np.ascontiguousarray(z, dtype=np.float64)
        y = np.ascontiguousarray(labels, dtype=np.float64)
        w = np.ones(n) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
        _require_shape("/model_logits", logits, (n,))
        _require_shape("/z", features, (n, len(self.settings.features)))
        _require_shape("/label", y, (n,))
        _require_shape("/weight", w, (n,))
        faults = [
            *_not_finite("/model_logits", logits),
            *_too_large("/z", features),
            *_outside("/label", y, (y >= 0.0) & (y <= 1.0), "a number from 0 to 1 is expected"),
            *_outside(
                "/weight", w, (w > 0.0) & (w <= MAX_WEIGHT), "above 0 and up to 1e6 is expected"
            ),
        ]
        if faults:
            raise InputError(faults)
        return Observations(action_ids, logits, features, y, w)

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

    def start(self, action_id: str, kin: Sequence[str]) -> bool:
        """Register an action where its kin have got to; ``False`` where it is known already.

        Its mean starts at theirs, each moved back to the prior's the less was seen of it, by
        n / (n + 50); its covariance is the prior's, since it may well be different. Kin that are
        not known do not count.
        """
        if action_id in self._slots:
            return False
        self.ensure([action_id])
        self.inherit(action_id, kin)
        return True

    def inherit(self, action_id: str, kin: Sequence[str]) -> None:
        """Move a known action's mean to where its kin have got to; see :meth:`start`."""
        slots = [self._slots[name] for name in kin if name in self._slots]
        if not slots:
            return
        prior = np.zeros(self._mean.shape[1])
        prior[1] = 1.0
        seen = self._counts[slots]
        learned = (self._mean[slots] - prior) * (seen / (seen + _KIN_DOUBT))[:, None]
        self._mean[self._slots[action_id]] = prior + learned.mean(axis=0)

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

    def bind(self, action_ids: Sequence[str]) -> BoundLogistic:
        """Return what is known now about candidates; an action never seen is at the prior.

        Later updates do not reach it.
        """
        d = len(self._prior_variance)
        rows, columns = np.tril_indices(d)
        correction = np.zeros((d, len(action_ids)))
        covariance = np.zeros((len(rows), len(action_ids)))
        prior = np.diag(self._prior_variance)[rows, columns]
        for index, action_id in enumerate(action_ids):
            slot = self._slots.get(action_id)
            if slot is None:
                covariance[:, index] = prior
                continue
            correction[:, index] = self._mean[slot]
            correction[1, index] -= 1.0
            covariance[:, index] = self._covariance[slot][rows, columns]
        shift, scale = self._standardization()
        return BoundLogistic(correction, covariance, shift, scale)

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


def _require_shape(place: str, array: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError([Fault(place, f"found shape {array.shape}", f"{shape} is expected")])


def _outside(
    place: str, array: NDArray[np.float64], good: NDArray[np.bool_], expected: str
) -> list[Fault]:
    return [
        Fault("/".join([place, *map(str, index)]), f"found {array[tuple(index)]}", expected)
        for index in np.argwhere(~good)
    ]


def _not_finite(place: str, array: NDArray[np.float64]) -> list[Fault]:
    return _outside(place, array, np.isfinite(array), "a finite number is expected")


def _too_large(place: str, array: NDArray[np.float64]) -> list[Fault]:
    good = np.isnan(array) | (np.abs(array) <= kernels.MAX_VALUE)
    return _outside(place, array, good, "a number within ±1e100, or NaN for missing, is expected")
