"""The explorer and the learner that settings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nba.bandits.cover import Cover
from nba.bandits.epsilon_greedy import EpsilonGreedy
from nba.bandits.greedy import Greedy
from nba.bandits.hybrid import CorrectionFitter, HybridLearner
from nba.bandits.learner import Learner
from nba.bandits.protocols import Explorer
from nba.bandits.regcb import RegCB
from nba.bandits.reward_learner import RewardLearner, is_reward_state
from nba.bandits.settings import BanditSettings
from nba.bandits.softmax import Softmax
from nba.bandits.squarecb import SquareCB
from nba.bandits.thompson import Thompson
from nba.bandits.ucb import UCB
from nba.bandits.uniform_random import Uniform
from nba.bandits.votes import Votes
from nba.errors import ConflictError

_BUILDERS: Mapping[str, Callable[[BanditSettings], Explorer]] = {
    "squarecb": lambda settings: SquareCB(settings.gamma, settings.gamma_exponent, settings.doubt),
    "epsilon_greedy": lambda settings: EpsilonGreedy(settings.epsilon),
    "greedy": lambda _: Greedy(),
    "softmax": lambda settings: Softmax(settings.temperature),
    "uniform": lambda _: Uniform(),
    "ucb": lambda settings: UCB(settings.alpha),
    "regcb": lambda settings: RegCB(settings.mellowness, settings.elimination),
    "thompson": lambda settings: Thompson(settings.deviation_scale),
    "votes": lambda settings: Votes(settings.epsilon),
    "cover": lambda settings: Cover(settings.uniform),
}


def build_explorer(settings: BanditSettings) -> Explorer:
    """Return the explorer that settings name."""
    return _BUILDERS[settings.explorer](settings)


def build_learner(settings: BanditSettings, fitter: CorrectionFitter | None = None) -> Learner:
    """Return a learner that has seen nothing; ``fitter`` fits the forests of one that has them."""
    if settings.learner == "logistic":
        return HybridLearner(settings, fitter)
    return RewardLearner(settings)


def read_learner(
    data: bytes, settings: BanditSettings | None = None, fitter: CorrectionFitter | None = None
) -> Learner:
    """Return the learner whose state the bytes are.

    Raises :class:`nba.errors.CorruptRecordError` where they cannot be read, and
    :class:`nba.errors.ConflictError` where it was learned on other features, or by another learner,
    than ``settings`` name.
    """
    if is_reward_state(data):
        return RewardLearner.from_bytes(data, settings, fitter)
    learner = HybridLearner.from_bytes(data, settings, fitter)
    if learner.settings.learner != "logistic":
        raise ConflictError(
            f"the learned state is of the logistic learner, the settings name "
            f"{learner.settings.learner}; keep it or rebuild the state from the log"
        )
    return learner
