"""The contextual bandit: what it learns, how it explores, and how its logs are evaluated.

A library on plain arrays. An :class:`OnlineLogistic` learns from observations and is bound to
candidates; an :class:`Explorer` turns their scores into action probabilities; :func:`project`
keeps those within the marketer's floors and ceilings; :func:`draw` draws replayably. A
:class:`ContextualBandit` is all of that in one object, around any :class:`ValueModel`.
Off-policy evaluation is in :mod:`nba.bandits.ope`.
"""

from nba.bandits.bagged import BaggedModel
from nba.bandits.bound_hybrid import BoundHybrid
from nba.bandits.bound_logistic import BoundLogistic
from nba.bandits.building import build_explorer, build_learner, read_learner
from nba.bandits.contextual import ContextualBandit, Draw
from nba.bandits.cover import Cover
from nba.bandits.cover_model import CoverModel
from nba.bandits.draw import draw, uniform
from nba.bandits.epsilon_greedy import EpsilonGreedy
from nba.bandits.greedy import Greedy
from nba.bandits.hybrid import CorrectionFitter, HybridLearner
from nba.bandits.hybrid_model import HybridModel
from nba.bandits.learner import BoundLearner, Correction, Learner, Resolved
from nba.bandits.linear import LinearModel
from nba.bandits.logistic import OnlineLogistic
from nba.bandits.logistic_model import LogisticModel
from nba.bandits.merging import merge
from nba.bandits.positions import PositionEffects, estimate_positions
from nba.bandits.projection import project
from nba.bandits.protocols import Estimate, Explorer, ValueModel
from nba.bandits.regcb import RegCB
from nba.bandits.reward_learner import RewardLearner
from nba.bandits.rewards import BinaryReward, MoneyReward, WeightedGoals, median_of_means
from nba.bandits.settings import BanditSettings, load_bandit
from nba.bandits.slates import Slate, chance_in_slot, draw_slate
from nba.bandits.softmax import Softmax
from nba.bandits.squarecb import SquareCB
from nba.bandits.thompson import Thompson
from nba.bandits.ucb import UCB
from nba.bandits.uniform_random import Uniform
from nba.bandits.votes import Votes

__all__ = [
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
