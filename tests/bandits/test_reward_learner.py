"""What a reward learner makes of rewards, groups and candidates; what all learners do is beside."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from nba.bandits import BanditSettings, CoverModel, LinearModel, Resolved, RewardLearner
from nba.errors import ConflictError, CorruptRecordError, InputError

PLAIN = BanditSettings(learner="linear", reward_cap=50.0, ridge=1.0, forgetting=1.0)


def resolved(action="gold", reward=0.0, expected=0.0, z=(), **given):
    return Resolved(
        action, -1.0, np.array(z, dtype=float), float(reward > 0), reward, expected, **given
    )


def rewards_of(learner, *ids, z=()):
    return learner.bind(ids).correct(np.zeros(len(ids)), np.array(z, dtype=float)).rewards.tolist()


def test_what_was_not_expected_is_learned_in_units_of_the_cap():
    """Of 40 where 10 were expected, one observation and one of the prior's 0 leave 15.

    In units of the cap the residual is .6, the weight .3, its error .3² + .3² = .18; the noise is
    the mean of that and of the prior's .25, and the inverse of the precision one half.
    """
    learner = RewardLearner(PLAIN)
    learner.learn(resolved(reward=40.0, expected=10.0))
    correction = learner.bind(["gold"]).correct(np.array([0.4]), np.zeros(0))
    assert correction.rewards == pytest.approx([15.0])
    noise = (0.25 + 0.18) / 2
    assert correction.deviations == pytest.approx([50.0 * math.sqrt(noise / 2)])
    assert correction.logits.tolist() == [0.4]


def test_what_is_looked_at_half_as_often_counts_half_as_much_for_twice_as_much():
    """20 where 5 were expected are 30 at the first rank, by half an observation and one of 0."""
    learner = RewardLearner(PLAIN)
    learner.learn(resolved(reward=20.0, expected=5.0, effect=0.5))
    assert rewards_of(learner, "gold") == pytest.approx([0.5 * 30.0 / 1.5])


@pytest.mark.parametrize(("reward", "left"), [(900.0, 20.0), (1e9, 20.0), (-1e9, -30.0)])
def test_rewards_are_cut_at_the_cap_on_either_side(reward, left):
    """±50 less the 10 expected, halved by the prior."""
    learner = RewardLearner(PLAIN)
    learner.learn(resolved(reward=reward, expected=10.0))
    assert rewards_of(learner, "gold") == pytest.approx([left])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reward": math.nan}, r"^/reward: found reward nan"),
        ({"reward": math.inf}, r"^/reward: found reward inf"),
        ({"expected": math.nan}, r"^/reward: found reward 0.0, nan expected"),
        ({"probability": 0.0}, r"^/probabilities/0: found 0"),
        ({"effect": 0.0}, r"^/effect: found 0.0"),
        ({"effect": math.nan}, r"^/effect: found nan"),
        ({"z": (1.0,)}, r"^/X: found shape \(1, 1\)"),
        ({"candidates": ("a", "b")}, r"^/worths: found \[\]; a finite number for each of 2"),
        ({"candidates": ("a",), "worths": np.array([math.nan])}, r"^/worths: found \[nan\]"),
    ],
)
@pytest.mark.parametrize("learner", ["linear", "bagged", "cover"])
def test_what_cannot_be_learned_from_is_refused_and_changes_nothing(learner, given, message):
    made = RewardLearner(replace(PLAIN, learner=learner))
    before = made.to_bytes()
    with pytest.raises(InputError, match=message):
        made.learn(resolved("new", **given))
    assert made.to_bytes() == before


@pytest.mark.parametrize("sharing", ["hybrid", "shared"])
def test_a_new_action_is_expected_to_do_as_those_of_its_group(sharing):
    settings = replace(PLAIN, sharing=sharing, dimensions=("product",))
    learner = RewardLearner(settings)
    learner.ensure({"gold": ["credit"], "loan": ["lending"]})
    for _ in range(40):
        learner.learn(resolved("gold", reward=30.0))
        learner.learn(resolved("loan", reward=-30.0))
    learner.ensure({"silver": ["credit"], "mortgage": ["lending", "housing"]})
    silver, mortgage, other = rewards_of(learner, "silver", "mortgage", "nobody")
    assert silver > 15.0
    assert mortgage < -15.0
    assert abs(other) < 5.0


def test_an_action_that_comes_with_other_groups_has_these_from_then_on():
    learner = RewardLearner(replace(PLAIN, sharing="shared", dimensions=("product",)))
    learner.ensure({"gold": ["credit"], "loan": ["lending"], "new": []})
    for _ in range(20):
        learner.learn(resolved("gold", reward=30.0))
        learner.learn(resolved("loan"))
    before = learner.bind(["new"]).correct(np.zeros(1), np.zeros(0)).rewards[0]
    learner.ensure({"new": ["credit"]})
    gold, new = rewards_of(learner, "gold", "new")
    assert new == gold != before
    assert learner.actions == ("gold", "loan", "new")


def test_without_sharing_groups_are_not_kept():
    grouped, plain = RewardLearner(PLAIN), RewardLearner(PLAIN)
    grouped.ensure({"gold": ["credit"]})
    plain.ensure({"gold": []})
    assert grouped.to_bytes() == plain.to_bytes()


def test_cover_is_taught_what_was_available_at_which_worth_and_chance():
    """The model beneath, told the same in units of the cap, expects the same."""
    settings = replace(PLAIN, learner="cover", members=3, features=("age",), psi=0.2)
    learner = RewardLearner(settings)
    learner.ensure(dict.fromkeys(["a", "b", "c"], ()))
    linear = LinearModel(3, 1, rate_moves=False)
    model = CoverModel(linear, policies=3, psi=0.2)
    rng = np.random.default_rng(1)
    for _ in range(40):
        z, reward, worths = rng.normal(size=1), rng.normal(10.0, 8.0), rng.normal(6.0, 3.0, 2)
        given = {"probability": 0.4, "candidates": ("c", "a"), "worths": worths}
        learner.learn(resolved("a", reward, 5.0, z, **given))
        offsets = np.array([worths[1], 0.0, worths[0]]) / 50.0
        left = np.array([True, False, True])
        target = (reward - 5.0) / 50.0
        model.update(z, 0, target, 1.0, 0.4, available=left, offsets=offsets)
    expected = model.estimate([0.3])
    correction = learner.bind(["a", "b", "c"]).correct(np.zeros(3), np.array([0.3]))
    assert correction.members == pytest.approx(expected.members * 50.0, abs=1e-9)
    assert correction.rewards == pytest.approx(expected.means * 50.0, abs=1e-9)
    assert correction.deviations == pytest.approx(expected.deviations * 50.0, abs=1e-9)
    assert correction.members[:, 1].tolist() == [0.0] * 3  # never available


def test_cover_registers_the_candidates_it_is_told_and_the_others_what_was_taken():
    row = resolved("a", 10.0, candidates=("c", "a"), worths=np.zeros(2))
    for learner, actions in (("cover", ("c", "a")), ("linear", ("a",)), ("bagged", ("a",))):
        made = RewardLearner(replace(PLAIN, learner=learner))
        made.learn(row)
        assert made.actions == actions


def test_where_no_candidates_are_told_cover_takes_the_action_to_have_been_the_only_one():
    told, silent = (RewardLearner(replace(PLAIN, learner="cover", psi=0.3)) for _ in range(2))
    told.learn(resolved("a", 10.0, 4.0, candidates=("a",), worths=np.array([4.0])))
    silent.learn(resolved("a", 10.0, 4.0))
    assert told.to_bytes() == silent.to_bytes()


def test_what_is_forgotten_counts_less_each_time():
    learner = RewardLearner(replace(PLAIN, forgetting=0.5))
    for _ in range(3):
        learner.learn(resolved("a"))
    learner.learn(resolved("b"))
    assert (learner.count("a"), learner.count("b"), learner.count("c")) == (1.75, 1.0, 0.0)


@pytest.mark.parametrize("learner", ["linear", "bagged", "cover"])
def test_learning_goes_on_under_settings_that_changed(learner):
    """What was learned stays; only from there on less is kept of it."""
    settings = replace(PLAIN, learner=learner)
    made = RewardLearner(settings)
    made.learn(resolved("a", 40.0))
    changed = replace(settings, forgetting=0.5, psi=0.4, explorer="greedy")
    again = RewardLearner.from_bytes(made.to_bytes(), changed)
    assert rewards_of(again, "a") == rewards_of(made, "a")
    made.learn(resolved("a"))
    again.learn(resolved("a"))
    assert again.settings == changed
    assert again.count("a") == 1.5
    if learner != "bagged":  # its members may have left either observation out
        assert rewards_of(again, "a")[0] < rewards_of(made, "a")[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ridge": 2.0}, "has ridge 1.0, the settings name 2.0"),
        ({"members": 3}, "has members 8, the settings name 3"),
        ({"reward_cap": 60.0}, "has reward_cap 50.0, the settings name 60.0"),
        ({"sharing": "hybrid"}, "has sharing per_action, the settings name hybrid"),
        ({"features": ("age",)}, r"has the 0 features \[\], the settings name the 1"),
    ],
)
def test_what_was_learned_under_settings_that_do_not_fit_is_refused(change, message):
    data = RewardLearner(PLAIN).to_bytes()
    with pytest.raises(ConflictError, match=message):
        RewardLearner.from_bytes(data, replace(PLAIN, **change))


@pytest.mark.parametrize(
    ("name", "value"),
    [("actions", ["a", "a"]), ("counts", b"\0" * 8), ("groups", ["g"]), ("format", 99)],
)
def test_parts_that_do_not_fit_each_other_are_refused(name, value):
    learner = RewardLearner(PLAIN)
    learner.ensure({"a": [], "b": []})
    record = msgspec.msgpack.decode(learner.to_bytes()) | {name: value}
    with pytest.raises(CorruptRecordError):
        RewardLearner.from_bytes(msgspec.msgpack.encode(record))


def test_settings_of_another_learner_are_refused():
    with pytest.raises(InputError, match=r"^/learner: found logistic"):
        RewardLearner(BanditSettings())


@pytest.mark.parametrize(
    ("learner", "most"), [("linear", 1_400), ("cover", 3_200), ("bagged", 11_000)]
)
def test_the_state_stays_small(learner, most):
    """In bytes for each of 100 actions, on 10 features, with 8 members."""
    features = tuple(f"x{number}" for number in range(10))
    made = RewardLearner(replace(PLAIN, learner=learner, features=features))
    made.ensure({f"action {number}": () for number in range(100)})
    assert len(made.to_bytes()) < 100 * most
