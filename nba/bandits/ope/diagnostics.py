"""Whether logged data can carry an estimate of a target policy, and what would be enough."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba.bandits.ope.bootstrap import cluster_sums
from nba.bandits.ope.compare import Comparison
from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.estimators import Estimate, effective_sample_size
from nba.bandits.ope.intervals import Clusters
from nba.bandits.ope.terms import RESTS_ON_MODEL
from nba.errors import EvaluationRefusedError

ESTIMATED = (
    "the action probabilities were estimated, not recorded: right only if all that the choice "
    "depended on was known to the estimate"
)
"""The caveat of every verdict on a log without recorded probabilities."""


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """How the target's choices lie among the logged ones.

    Attributes
    ----------
    n : int
        Logged rows.
    clusters : int
        Customers among them.
    effective_sample_size : float
        (Σw)² / Σw²: how many rows of the target's own log would carry as much.
    overlap : float
        Share of probability the two policies have in common, the mean of min(w, 1): 1 for the same
        policy, 0 where they never choose alike.
    max_weight : float
        Largest weight.
    max_weight_share : float
        Share of all weight that the heaviest row has.
    zero_weight_share : float
        Share of rows whose action the target never takes.
    mean_weight : float
        Mean weight; 1 in expectation where the logged probabilities are those really used and
        cover all the target does.
    mean_weight_z : float
        How many standard errors, by customer, the mean weight lies from 1; NaN of one customer,
        whose rows say nothing of how others vary.
    never_logged_share : float
        Share of what the target does that is an action no row of the log has; NaN where the target
        does not say.
    probabilities_estimated : bool
        Whether the logged probabilities were estimated afterwards.
    """

    n: int
    clusters: int
    effective_sample_size: float
    overlap: float
    max_weight: float
    max_weight_share: float
    zero_weight_share: float
    mean_weight: float
    mean_weight_z: float
    never_logged_share: float = math.nan
    probabilities_estimated: bool = False


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What an estimate must meet to be believed.

    Intervals are over customers, and of few of them too narrow: below 30 or so the field's tests
    by cluster reject too often (Cameron, Gelbach and Miller, Review of Economics and Statistics
    90, 2008).
    """

    effective_sample_size: float = 200.0
    customers: int = 30
    max_weight_share: float = 0.1
    mean_weight_z: float = 4.0
    never_logged_share: float = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the data carry an estimate; ``reasons`` say why not and what would be enough.

    ``caveats`` are what must be shown with an estimate that is not refused.
    """

    reasons: tuple[str, ...]
    caveats: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the estimate must not be believed."""
        return bool(self.reasons)

    def require(self) -> None:
        """Raise :class:`EvaluationRefusedError` with the reasons where refused."""
        if self.refused:
            raise EvaluationRefusedError("; ".join(self.reasons))


def diagnose(data: LoggedData, target: Target) -> Diagnostics:
    """Measure how well logged data cover a target policy."""
    never = target.never_logged
    return diagnose_weights(
        importance_weights(data, target),
        data.clusters,
        never_logged_share=math.nan if never is None else float(never.mean()),
        probabilities_estimated=data.estimated,
    )


def diagnose_weights(
    weights: NDArray[np.float64],
    clusters: Clusters = None,
    *,
    never_logged_share: float = math.nan,
    probabilities_estimated: bool = False,
) -> Diagnostics:
    """Measure importance weights ``(n,)``, however they came about."""
    n = len(weights)
    total = weights.sum()
    excess = cluster_sums((weights - 1.0)[:, None], clusters)[:, 0]
    off = float(excess.sum())
    deviation = float(np.linalg.norm(excess - off / len(excess)))
    return Diagnostics(
        n=n,
        clusters=len(excess),
        effective_sample_size=effective_sample_size(weights),
        overlap=float(np.minimum(weights, 1.0).mean()),
        max_weight=float(weights.max()),
        max_weight_share=float(weights.max() / total) if total > 0.0 else 1.0,
        zero_weight_share=float((weights == 0.0).mean()),
        mean_weight=float(total / n),
        mean_weight_z=_z(off, deviation, n) if len(excess) > 1 else math.nan,
        never_logged_share=never_logged_share,
        probabilities_estimated=probabilities_estimated,
    )


def _z(off: float, deviation: float, n: int) -> float:
    # Weights that do not vary but for rounding, as for the logging policy itself, are no evidence.
    if abs(off) <= 1e-9 * n:
        return 0.0
    return off / deviation if deviation > 0.0 else math.copysign(math.inf, off)


def verdict(
    diagnostics: Diagnostics,
    thresholds: Thresholds | None = None,
    found: Estimate | Comparison | None = None,
) -> Verdict:
    """Say whether the data carry an estimate or comparison, the one ``found`` where it is given.

    Its caveats are then the verdict's; a comparison that rests on a reward model alone is refused.

    >>> import numpy as np
    >>> data = LoggedData(np.array([0, 1]), np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    >>> verdict(diagnose(data, Target(np.array([0.5, 0.5])))).refused
    True
    """
    limits = thresholds or Thresholds()
    reasons: list[str] = []
    effective = diagnostics.effective_sample_size
    if effective == 0.0:
        reasons.append(
            "the target never takes a logged action: no log of this policy says anything about it; "
            "log with some probability on every action"
        )
    elif effective < limits.effective_sample_size:
        rows = math.ceil(diagnostics.n * limits.effective_sample_size / effective)
        reasons.append(
            f"the effective sample is {effective:,.0f} of {diagnostics.n:,} rows and "
            f"{limits.effective_sample_size:,.0f} are needed: about {rows:,} rows logged this way "
            "would be enough, or fewer with a higher floor on the logged action probabilities"
        )
    if diagnostics.clusters < limits.customers:
        reasons.append(
            f"the rows are of {diagnostics.clusters:,} customers and {limits.customers:,} are "
            "needed: how customers vary, and so how far an estimate may be off, cannot be told "
            "from fewer"
        )
    if effective > 0.0 and diagnostics.max_weight_share > limits.max_weight_share:
        reasons.append(
            f"one row carries {diagnostics.max_weight_share:.0%} of all weight and "
            f"{limits.max_weight_share:.0%} is the most allowed (its weight is "
            f"{diagnostics.max_weight:,.0f}): a floor on the logged action probabilities would be "
            "enough"
        )
    if abs(diagnostics.mean_weight_z) > limits.mean_weight_z:
        reasons.append(
            f"the mean weight is {diagnostics.mean_weight:.3f}, "
            f"{abs(diagnostics.mean_weight_z):.1f} standard errors from 1: the logged "
            "probabilities are not those the actions were drawn with, or the target takes actions "
            "the log never does; probabilities frozen when drawn, and covering the target, would "
            "be enough"
        )
    if diagnostics.never_logged_share > limits.never_logged_share:
        reasons.append(
            f"{diagnostics.never_logged_share:.0%} of what the target does was never logged and "
            f"{limits.never_logged_share:.0%} is the most allowed: log those actions with some "
            "probability, or evaluate a policy without them"
        )
    caveats = (ESTIMATED,) if diagnostics.probabilities_estimated else ()
    if found is None:
        return Verdict(tuple(reasons), caveats)
    if isinstance(found, Comparison) and RESTS_ON_MODEL in found.caveats:
        reasons.append(
            f"the comparison establishes nothing: {RESTS_ON_MODEL}; one by DR, with the same "
            "reward model, would be enough"
        )
    return Verdict(tuple(reasons), caveats + found.caveats)
