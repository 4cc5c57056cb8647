"""What online logistic regression has learned about some candidates, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba.bandits import kernels
from nba.bandits.labelled import not_finite, require_shape, too_large
from nba.errors import InputError


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
        require_shape("/model_logits", logits, (self._correction.shape[1],))
        require_shape("/z", features, self._shift.shape)
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
            raise InputError([*not_finite("/model_logits", logits), *too_large("/z", features)])
        return moderated, variances
