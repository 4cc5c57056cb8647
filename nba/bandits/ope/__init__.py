"""Off-policy evaluation: what a policy would have earned, from another policy's log.

On plain arrays. :class:`LoggedData` is the log, :class:`Target` the policy; any
:class:`Estimator` gives an :class:`Estimate` through :func:`evaluate`, with any :class:`Interval`;
:func:`compare` sets two policies side by side, and :func:`verdict` says whether :func:`diagnose`
found enough data to believe either. :func:`slope` and :func:`choose_estimator` choose among
estimators by the data. :func:`cross_fit` and :func:`action_means` make reward models, and
:func:`estimate_probabilities` what was not logged. Slates are in :mod:`nba.bandits.ope.slates`.
"""

from nba.bandits.ope.action_means import action_means
from nba.bandits.ope.bernstein import EmpiricalBernstein
from nba.bandits.ope.bootstrap import Bootstrap
from nba.bandits.ope.bounds import row_bounds
from nba.bandits.ope.calibration import ActionCalibration, calibrate
from nba.bandits.ope.clipped_ips import ClippedIPS
from nba.bandits.ope.compare import Comparison, compare
from nba.bandits.ope.cross_fit import Regressor, cross_fit, deal_folds
from nba.bandits.ope.data import LoggedData, Target, importance_weights
from nba.bandits.ope.diagnostics import Diagnostics, Thresholds, Verdict, diagnose, verdict
from nba.bandits.ope.dm import DM
from nba.bandits.ope.dr import DR
from nba.bandits.ope.dr_os import DRos
from nba.bandits.ope.estimators import Estimate, Estimator, evaluate
from nba.bandits.ope.intervals import Interval
from nba.bandits.ope.ips import IPS
from nba.bandits.ope.mrdr import MRDR, mrdr_weights
from nba.bandits.ope.propensities import estimate_probabilities
from nba.bandits.ope.sequence import ConfidenceSequence
from nba.bandits.ope.slope import Choice, Chosen, choose_estimator, slope
from nba.bandits.ope.sndr import SNDR
from nba.bandits.ope.snips import SNIPS
from nba.bandits.ope.switch_dr import SwitchDR
from nba.bandits.ope.terms import Terms
from nba.bandits.ope.tuned import Tuned, tuned_clipped_ips, tuned_dr_os, tuned_switch_dr

__all__ = [
    "DM",
    "DR",
    "IPS",
    "MRDR",
    "SNDR",
    "SNIPS",
    "ActionCalibration",
    "Bootstrap",
    "Choice",
    "Chosen",
    "ClippedIPS",
    "Comparison",
    "ConfidenceSequence",
    "DRos",
    "Diagnostics",
    "EmpiricalBernstein",
    "Estimate",
    "Estimator",
    "Interval",
    "LoggedData",
    "Regressor",
    "SwitchDR",
    "Target",
    "Terms",
    "Thresholds",
    "Tuned",
    "Verdict",
    "action_means",
    "calibrate",
    "choose_estimator",
    "compare",
    "cross_fit",
    "deal_folds",
    "diagnose",
    "estimate_probabilities",
    "evaluate",
    "importance_weights",
    "mrdr_weights",
    "row_bounds",
    "slope",
    "tuned_clipped_ips",
    "tuned_dr_os",
    "tuned_switch_dr",
    "verdict",
]
