"""What a linear model may be made with."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nba.bandits.constants import finite, kept, positive, require, whole
from nba.errors import Fault

Sharing = Literal["per_action", "shared", "hybrid"]


def require_parameters(
    *,
    n_actions: int,
    n_features: int,
    sharing: str,
    action_features: NDArray[np.float64],
    ridge: float,
    forgetting: float,
    base_rate: float,
    noise_variance: float,
    change_threshold: float | None,
) -> None:
    """Raise :class:`nba.errors.InputError` naming every parameter that is out of range.

    They are those of :class:`nba.bandits.LinearModel`.
    """
    faults = [
        whole("n_actions", n_actions, 0),
        whole("n_features", n_features, 0),
        positive("ridge", ridge),
        kept("forgetting", forgetting),
        finite("base_rate", base_rate),
        positive("noise_variance", noise_variance),
        None if change_threshold is None else positive("change_threshold", change_threshold),
    ]
    if sharing not in get_args(Sharing):
        expected = f"one of {', '.join(get_args(Sharing))} is expected"
        faults.append(Fault("/sharing", f"found {sharing}", expected))
    shape = action_features.shape
    if len(shape) != 2 or shape[0] != n_actions:  # noqa: PLR2004 - axes
        expected = f"({n_actions}, p) is expected"
        faults.append(Fault("/action_features", f"found shape {shape}", expected))
    elif sharing == "shared" and n_actions > 0 and shape[1] == 0:
        expected = "what is shared tells actions apart by their features alone"
        faults.append(Fault("/action_features", "there are none", expected))
    require(*faults)
