"""What a linear model may be made with."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nba.errors import Fault, InputError

Sharing = Literal["per_action", "shared", "hybrid"]


def require_parameters(
    *,
    n_actions: int,
    sharing: str,
    action_features: NDArray[np.float64],
    ridge: float,
    forgetting: float,
    base_rate: float,
    noise_variance: float,
    change_threshold: float | None,
) -> None:
    """Raise :class:`InputError` naming every parameter that is out of range.

    They are those of :class:`nba.bandits.LinearModel`.
    """
    given: dict[str, tuple[object, bool]] = {
        "sharing": (sharing, sharing in {"per_action", "shared", "hybrid"}),
        "ridge": (ridge, 0.0 < ridge < math.inf),
        "forgetting": (forgetting, 0.0 < forgetting <= 1.0),
        "base_rate": (base_rate, math.isfinite(base_rate)),
        "noise_variance": (noise_variance, 0.0 < noise_variance < math.inf),
        "change_threshold": (change_threshold, change_threshold is None or change_threshold > 0.0),
    }
    faults = [
        Fault(f"/{name}", f"found {found}", "a value in range is expected")
        for name, (found, holds) in given.items()
        if not holds
    ]
    shape = action_features.shape
    if len(shape) != 2 or shape[0] != n_actions:  # noqa: PLR2004 - axes
        expected = f"({n_actions}, p) is expected"
        faults.append(Fault("/action_features", f"found shape {shape}", expected))
    elif sharing == "shared" and n_actions > 0 and shape[1] == 0:
        expected = "what is shared tells actions apart by their features alone"
        faults.append(Fault("/action_features", "there are none", expected))
    if faults:
        raise InputError(faults)
