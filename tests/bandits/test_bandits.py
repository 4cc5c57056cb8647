"""The package's public names, and the examples in its docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import nba.bandits
import nba.bandits.ope

MODULES = [
    module.name for module in pkgutil.walk_packages(nba.bandits.__path__, prefix="nba.bandits.")
]


def test_public_names_of_the_bandits():
    assert nba.bandits.__all__ == [
        "UCB",
        "BaggedModel",
        "BanditSettings",
        "BinaryReward",
        "BoundHybrid",
        "BoundLearner",
        "BoundLogistic",
        "ContextualBandit",
        "Correction",
        "CorrectionFitter",
        "Cover",
        "CoverModel",
        "Draw",
        "EpsilonGreedy",
        "Estimate",
        "Explorer",
        "Greedy",
        "HybridLearner",
        "HybridModel",
        "Learner",
        "LinearModel",
        "LogisticModel",
        "MoneyReward",
        "OnlineLogistic",
        "PositionEffects",
        "RegCB",
        "Resolved",
        "RewardLearner",
        "Slate",
        "Softmax",
        "SquareCB",
        "Thompson",
        "Uniform",
        "ValueModel",
        "Votes",
        "WeightedGoals",
        "build_explorer",
        "build_learner",
        "chance_in_slot",
        "draw",
        "draw_slate",
        "estimate_positions",
        "load_bandit",
        "median_of_means",
        "merge",
        "project",
        "read_learner",
        "uniform",
    ]
    assert callable(nba.bandits.draw)
    assert callable(nba.bandits.uniform)


def test_public_names_of_off_policy_evaluation():
    assert nba.bandits.ope.__all__ == [
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


@pytest.mark.parametrize("package", [nba.bandits, nba.bandits.ope])
def test_every_public_name_is_there(package):
    assert [name for name in package.__all__ if not hasattr(package, name)] == []


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
