"""What is no observation, and no model, is refused by every value model in the same words."""

import numpy as np
import pytest

from nba.bandits import (
    BaggedModel,
    BinaryReward,
    CoverModel,
    HybridModel,
    LinearModel,
    LogisticModel,
    MoneyReward,
)
from nba.errors import InputError

MODELS = {
    "linear": lambda: LinearModel(2, 2),
    "logistic": lambda: LogisticModel(2, 2),
    "hybrid": lambda: HybridModel(2, 2),
    "bagged": lambda: BaggedModel(LinearModel(2, 2), members=2),
    "cover": lambda: CoverModel(LinearModel(2, 2)),
}
every_model = pytest.mark.parametrize("name", MODELS)


@every_model
@pytest.mark.parametrize(
    ("x", "action", "reward", "place"),
    [
        (["a", "b"], 0, 1.0, "/X: not all are numbers"),
        ([0.0, 1.0], "gold", 1.0, "/actions: not all are numbers"),
        ([0.0, 1.0], None, 1.0, "/actions/0: found nan"),
        ([0.0, 1.0], 1.5, 1.0, "/actions/0: found 1.5"),
        ([0.0, 1.0], 0, "much", "/rewards: not all are numbers"),
    ],
)
def test_what_are_no_numbers_is_refused(name, x, action, reward, place):
    model = MODELS[name]()
    with pytest.raises(InputError, match=place):
        model.update_many([x], [action], [reward])
    assert model.updates == 0


@every_model
@pytest.mark.parametrize("action", [1.5, None, 2, -1])
def test_an_action_that_is_none_is_refused(name, action):
    with pytest.raises(InputError, match="/action"):
        MODELS[name]().update([0.0, 1.0], action, 1.0)


@every_model
def test_numbers_that_are_numpys_are_as_good(name):
    model = MODELS[name]()
    model.update(np.zeros(2), np.int64(1), np.float64(1.0))
    assert model.updates == 1


@pytest.mark.parametrize("kind", [LinearModel, LogisticModel, HybridModel])
@pytest.mark.parametrize(
    ("sizes", "place"),
    [((2.5, 2), "/n_actions: found 2.5"), ((2, -1), "/n_features: found -1")],
)
def test_no_model_has_a_part_of_an_action_or_fewer_features_than_none(kind, sizes, place):
    with pytest.raises(InputError, match=place):
        kind(*sizes)


def test_ensembles_have_whole_members():
    with pytest.raises(InputError, match=r"/members: found 1\.5"):
        BaggedModel(LinearModel(2, 2), members=1.5)
    with pytest.raises(InputError, match="/policies: found 0"):
        CoverModel(LinearModel(2, 2), policies=0)


@pytest.mark.parametrize("reward", [BinaryReward(), MoneyReward(10.0)])
def test_outcomes_in_words_are_refused(reward):
    with pytest.raises(InputError, match="not all are numbers"):
        reward(["bought"])
