"""Off-policy evaluation: what a policy would have earned, from another policy's log.

On plain arrays. :class:`LoggedData` is the log, :class:`Target` the policy; any
:class:`Estimator` gives an :class:`Estimate` through :func:`evaluate`, :func:`compare` sets two
policies side by side, and :func:`verdict` says whether :func:`diagnose` found enough data to
believe either.
"""

from nba.bandits.ope.clipped_ips import ClippedIPS
from nba.bandits.ope.compare import Comparison, compare
from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.diagnostics import Diagnostics, Thresholds, Verdict, diagnose, verdict
from nba.bandits.ope.dm import DM
from nba.bandits.ope.dr import DR
from nba.bandits.ope.dr_os import DRos
from nba.bandits.ope.estimators import Estimate, Estimator, Terms, evaluate
from nba.bandits.ope.ips import IPS
from nba.bandits.ope.sndr import SNDR
from nba.bandits.ope.snips import SNIPS
from nba.bandits.ope.switch_dr import SwitchDR

__all__ = [
    "DM",
    "DR",
    "IPS",
    "SNDR",
    "SNIPS",
    "ClippedIPS",
    "Comparison",
    "DRos",
    "Diagnostics",
    "Estimate",
    "Estimator",
    "LoggedData",
    "SwitchDR",
    "Target",
    "Terms",
    "Thresholds",
    "Verdict",
    "compare",
    "diagnose",
    "evaluate",
    "importance_weights",
    "verdict",
]
