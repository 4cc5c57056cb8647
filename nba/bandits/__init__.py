"""The contextual bandit: what it learns, how it explores, and how its logs are evaluated.

A library on plain arrays. An :class:`OnlineLogistic` learns from observations and is bound to
candidates; an :class:`Explorer` turns their scores into action probabilities; :func:`project`
keeps those within the marketer's floors and ceilings; :func:`draw` draws replayably. A
:class:`ContextualBandit` is all of that in one object, around any :class:`ValueModel`.
Off-policy evaluation is in :mod:`nba.bandits.ope`.
"""

from nba.bandits.bagged import BaggedModel
from nba.bandits.contextual import ContextualBandit, Draw
from nba.bandits.draw import draw, uniform
from nba.bandits.epsilon_greedy import EpsilonGreedy
from nba.bandits.greedy import Greedy
from nba.bandits.hybrid import BoundHybrid, CorrectionFitter, HybridLearner
from nba.bandits.hybrid_model import HybridModel
from nba.bandits.linear import LinearModel
from nba.bandits.logistic import BoundLogistic, OnlineLogistic
from nba.bandits.merging import merge
from nba.bandits.projection import project
from nba.bandits.protocols import Estimate, Explorer, ValueModel
from nba.bandits.regcb import RegCB
from nba.bandits.settings import BanditSettings, build_explorer, load_bandit
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
    "BoundHybrid",
    "BoundLogistic",
    "ContextualBandit",
    "CorrectionFitter",
    "Draw",
    "EpsilonGreedy",
    "Estimate",
    "Explorer",
    "Greedy",
    "HybridLearner",
    "HybridModel",
    "LinearModel",
    "OnlineLogistic",
    "RegCB",
    "Softmax",
    "SquareCB",
    "Thompson",
    "Uniform",
    "ValueModel",
    "Votes",
    "build_explorer",
    "draw",
    "load_bandit",
    "merge",
    "project",
    "uniform",
]
