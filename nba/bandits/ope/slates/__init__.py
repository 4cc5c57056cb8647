"""Off-policy evaluation of slates: several choices of one decision, in order.

A row is a slate. :class:`LoggedSlates` and :class:`SlateTarget` hold ``(n, k)`` arrays, position by
position; what a slate earned is the sum of its positions' rewards, each times the position's
weight. The estimators differ in what they suppose a position's reward depends on, and the less it
may depend on, the less their weights vary:

- :class:`IIPS`: the action at the position itself, wherever the others are;
- :class:`RIPS`: the actions up to the position, as where a customer reads from the top;
- :class:`SIPS`: the whole slate;
- :class:`CascadeDR`: as RIPS, with a reward model (:func:`cascade_model`) that takes most of the
  noise away.

All give the same :class:`~nba.bandits.ope.Estimate` through :func:`evaluate_slates`.
"""

from nba.bandits.ope.slates.cascade_dr import CascadeDR
from nba.bandits.ope.slates.cascade_model import cascade_model
from nba.bandits.ope.slates.data import LoggedSlates, SlateTarget
from nba.bandits.ope.slates.estimators import SlateEstimator, diagnose_slates, evaluate_slates
from nba.bandits.ope.slates.iips import IIPS
from nba.bandits.ope.slates.rips import RIPS
from nba.bandits.ope.slates.sips import SIPS

__all__ = [
    "IIPS",
    "RIPS",
    "SIPS",
    "CascadeDR",
    "LoggedSlates",
    "SlateEstimator",
    "SlateTarget",
    "cascade_model",
    "diagnose_slates",
    "evaluate_slates",
]
