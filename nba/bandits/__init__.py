"""The contextual bandit: what it learns, how it explores, and how its logs are evaluated.

A library on plain arrays. An :class:`OnlineLogistic` learns from observations and is bound to
candidates; an :class:`Explorer` turns their scores into action probabilities; :func:`project`
keeps those within the marketer's floors and ceilings; :func:`draw` draws replayably. A
:class:`ContextualBandit` is all of that in one object, around any :class:`ValueModel`.
Off-policy evaluation is in :mod:`nba.bandits.ope`.
"""

from nba.bandits.contextual import ContextualBandit, Draw
from nba.bandits.draw import draw, uniform
from nba.bandits.epsilon_greedy import EpsilonGreedy
from nba.bandits.greedy import Greedy
from nba.bandits.logistic import BoundLogistic, OnlineLogistic
from nba.bandits.projection import project
from nba.bandits.protocols import Estimate, Explorer, ValueModel
from nba.bandits.settings import BanditSettings, build_explorer, load_bandit
from nba.bandits.softmax import Softmax
from nba.bandits.squarecb import SquareCB
from nba.bandits.uniform_random import Uniform

__all__ = [
    "BanditSettings",
    "BoundLogistic",
    "ContextualBandit",
    "Draw",
    "EpsilonGreedy",
    "Estimate",
    "Explorer",
    "Greedy",
    "OnlineLogistic",
    "Softmax",
    "SquareCB",
    "Uniform",
    "ValueModel",
    "build_explorer",
    "draw",
    "load_bandit",
    "project",
    "uniform",
]
