"""Linear models while actions come and go: grown, described, started, reset, and bound."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import BaggedModel, CoverModel, LinearModel
from nba.bandits.bound_linear import combined
from nba.errors import InputError

SHARINGS = ["per_action", "shared", "hybrid"]
WRAPPED = {
    "linear": lambda model: model,
    "bagged": lambda model: BaggedModel(model, members=3, seed=2),
    "cover": lambda model: CoverModel(model, policies=3),
}
every_model = pytest.mark.parametrize("wrap", list(WRAPPED))
every_sharing = pytest.mark.parametrize("sharing", SHARINGS)
DESCRIBED = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.0, 1.0, 2.0]])


def rows(seed, m, n_actions):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, 2)) * [1.0, 20.0] + [0.0, 50.0]
    X[rng.random((m, 2)) < 0.05] = math.nan
    return X, rng.integers(0, n_actions, m), rng.normal(size=m), None, rng.uniform(0.2, 1.0, m)


def model_of(wrap, sharing, described=DESCRIBED, **parameters):
    model = LinearModel(len(described), 2, sharing=sharing, action_features=described, **parameters)
    return WRAPPED[wrap](model)


def alike(first, second, x, within=1e-9):
    one, two = first.estimate(x), second.estimate(x)
    assert one.means == pytest.approx(two.means, abs=within)
    assert one.deviations == pytest.approx(two.deviations, abs=within)
    if one.members is not None:
        assert one.members == pytest.approx(two.members, abs=within)


def settle(model):
    for one in getattr(model, "members", [getattr(model, "first", model)]):
        if not isinstance(model, CoverModel):
            one.settle()


@pytest.mark.parametrize("wrap", ["linear", "bagged"])
@every_sharing
@settings(deadline=None, max_examples=10)  # the first example compiles
@given(seed=st.integers(0, 10**6), known=st.integers(1, 3), features=st.integers(1, 3))
def test_a_model_that_grew_equals_one_that_had_all_from_the_start(
    wrap, sharing, seed, known, features
):
    """Of the first actions only some features are known at first: they have 0 of the others."""
    first = np.zeros((known, 3))
    first[:, :features] = DESCRIBED[:known, :features]
    whole = model_of(wrap, sharing, np.vstack([first, DESCRIBED[known:]]))
    grown = model_of(wrap, sharing, first[:, :features])
    early, late = rows(seed, 30, known), rows(seed + 1, 30, 4)
    for model in (whole, grown):
        model.update_many(*early)
    if known < 4:
        grown.grow(DESCRIBED[known:])
    for model in (whole, grown):
        model.update_many(*late)
        settle(model)
    alike(whole, grown, [0.3, 61.0])
    assert (grown.n_actions, grown.updates) == (4, 60)


def test_a_cover_model_that_grew_equals_one_whose_actions_were_not_available_before():
    whole = model_of("cover", "per_action", rate_moves=False)
    grown = model_of("cover", "per_action", DESCRIBED[:2], rate_moves=False)
    early, late = rows(1, 30, 2), rows(2, 30, 4)
    left = np.tile([True, True, False, False], (30, 1))
    whole.update_many(*early, available=left)
    grown.update_many(*early)
    grown.grow(DESCRIBED[2:])
    for model in (whole, grown):
        model.update_many(*late)
    alike(whole, grown, [0.3, 61.0])


@every_sharing
def test_actions_that_come_one_at_a_time_are_as_good_as_all_at_once(sharing):
    one, all_at_once = (LinearModel(0, 2, sharing=sharing) for _ in range(2))
    all_at_once.grow(DESCRIBED)
    for row in DESCRIBED:
        one.grow([row])
    for model in (one, all_at_once):
        model.update_many(*rows(3, 20, 4))
    assert one.to_bytes() == all_at_once.to_bytes()


@every_model
@every_sharing
@settings(deadline=None, max_examples=10)  # the first example compiles
@given(seed=st.integers(0, 10**6), chosen=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_what_is_bound_is_what_is_estimated_to_the_last_bit(wrap, sharing, seed, chosen):
    model = model_of(wrap, sharing)
    model.update_many(*rows(seed, 25, 4))
    model.inherit(2, [0, 1])
    x = [0.5, math.nan]
    whole, bound = model.estimate(x), model.bind(chosen).estimate(x)
    assert bound.means.tolist() == whole.means[chosen].tolist()
    assert bound.deviations.tolist() == whole.deviations[chosen].tolist()
    if whole.members is not None:
        assert bound.members.tolist() == whole.members[:, chosen].tolist()


@every_model
@every_sharing
def test_what_is_bound_does_not_hear_of_what_comes_later(wrap, sharing):
    model = model_of(wrap, sharing)
    model.update_many(*rows(5, 25, 4))
    bound, x = model.bind([1, -1]), [0.5, 30.0]
    before = bound.estimate(x)
    model.update_many(*rows(6, 40, 4))
    model.reset([1])
    model.grow(np.ones((5, 4)))
    after = bound.estimate(x)
    assert after.means.tolist() == before.means.tolist()
    assert after.deviations.tolist() == before.deviations.tolist()


@every_model
@every_sharing
def test_an_action_that_is_not_known_is_as_one_without_features_that_was_never_seen(wrap, sharing):
    model = model_of(wrap, sharing, DESCRIBED[:3])
    model.update_many(*rows(7, 30, 3))
    unknown = model.bind([-1]).estimate([0.2, 44.0])
    model.grow(np.zeros((1, 3)))
    known = model.bind([3]).estimate([0.2, 44.0])
    assert unknown.means.tolist() == known.means.tolist()
    assert unknown.deviations.tolist() == known.deviations.tolist()


@every_model
def test_what_is_reset_is_as_if_it_had_never_been_seen(wrap):
    """The frame and the noise have seen it all the same; what is expected is the base rate."""
    model = model_of(wrap, "per_action", rate_moves=False, base_rate=0.3)
    model.update_many(*rows(8, 40, 4))
    model.inherit(1, [0])
    others = model.bind([2, 3]).estimate([0.1, 55.0]).means.tolist()
    model.reset([0, 1])
    found = model.bind([0, 1, -1]).estimate([0.1, 55.0])
    assert found.means == pytest.approx([0.3] * 3, abs=1e-15)
    if found.members is not None:
        assert found.members == pytest.approx(np.full_like(found.members, 0.3), abs=1e-15)
    assert model.bind([2, 3]).estimate([0.1, 55.0]).means.tolist() == others


def test_what_is_shared_keeps_what_it_learned_of_an_action_that_is_reset():
    """Two actions alike in features: the shared part still knows what the one earned."""
    model = LinearModel(2, 1, sharing="hybrid", rate_moves=False)
    model.update_many(np.zeros((50, 1)), np.zeros(50, dtype=int), np.ones(50))
    model.reset([0])
    reset, never = model.estimate([0.0]).means
    assert reset == never
    assert reset > 0.9


@pytest.mark.parametrize("sharing", ["per_action", "hybrid"])
def test_an_action_starts_by_the_mean_of_what_its_kin_have_moved_each_as_far_as_it_was_seen(
    sharing,
):
    """Worked out from what is expected of each where it stands and where it began."""
    model = model_of("linear", sharing, DESCRIBED[:, :1], rate_moves=False)
    X, actions, rewards, *_ = rows(9, 80, 3)
    model.update_many(np.nan_to_num(X, nan=50.0), actions, rewards)
    seen = np.bincount(actions, minlength=3)
    moved = []
    x = [0.4, 51.0]
    for kin in (0, 1):
        stands = model.estimate(x).means[kin]
        without = LinearModel.from_bytes(model.to_bytes())
        without.reset([kin])
        moved.append((stands - without.estimate(x).means[kin]) * seen[kin] / (seen[kin] + 50.0))
    before = model.estimate(x)
    model.inherit(3, [0, 1])
    after = model.estimate(x)
    assert after.means[3] - before.means[3] == pytest.approx(np.mean(moved), abs=1e-12)
    assert after.means[:3].tolist() == before.means[:3].tolist()
    assert after.deviations.tolist() == before.deviations.tolist()


@pytest.mark.parametrize("sharing", ["per_action", "hybrid"])
def test_where_an_action_started_outlives_bytes_and_new_frames(sharing):
    """The frame moves with what others see; what is expected of the action where it began stays."""
    model = LinearModel(2, 1, sharing=sharing, rate_moves=False)
    rng = np.random.default_rng(10)
    X = rng.normal(5.0, 2.0, size=(60, 1))
    model.update_many(X, np.zeros(60, dtype=int), 1.0 + X[:, 0])
    model.inherit(1, [0])
    model = LinearModel.from_bytes(model.to_bytes())
    started = model.estimate([6.0]).means[1]
    model.reframe(np.array([[1.0, 0.0], [-0.7, 3.0]]))
    model.frame.shift += 0.7 / 3.0 * model.frame.scale
    model.frame.scale /= 3.0
    within = 1e-9 if sharing == "per_action" else 0.05  # the shared part's prior is of the frame
    assert model.estimate([6.0]).means[1] == pytest.approx(started, abs=within)


def test_without_kin_or_own_weights_an_action_starts_where_it_is():
    for sharing, kin in (("per_action", []), ("shared", [0])):
        model = model_of("linear", sharing)
        model.update_many(*rows(11, 20, 3))
        before = model.to_bytes()
        model.inherit(3, kin)
        assert model.to_bytes() == before


@every_model
def test_an_action_told_apart_by_other_features_is_expected_to_do_as_those_with_them(wrap):
    model = model_of(wrap, "shared")
    model.update_many(*rows(12, 60, 4))
    model.describe([0], DESCRIBED[3:])
    found = model.estimate([0.1, 52.0])
    assert found.means[0] == found.means[3]
    assert model.action_features[0].tolist() == DESCRIBED[3].tolist()


@every_model
def test_actions_that_are_none_and_features_that_fit_none_are_refused(wrap):
    model = model_of(wrap, "hybrid")
    before = model.to_bytes()
    for wrong in (
        lambda: model.bind([0, 4]),
        lambda: model.bind([-2]),
        lambda: model.reset([-1]),
        lambda: model.inherit(4, [0]),
        lambda: model.inherit(0, [9]),
        lambda: model.describe([7], DESCRIBED[:1]),
    ):
        with pytest.raises(InputError, match=r"^/actions/"):
            wrong()
    with pytest.raises(InputError, match=r"^/action_features: found shape \(1, 2\)"):
        model.grow([[1.0, 2.0]])
    with pytest.raises(InputError, match=r"^/action_features/0/2: found nan"):
        model.grow([[1.0, 2.0, math.nan]])
    assert model.to_bytes() == before


@settings(deadline=None)  # the first example compiles
@given(st.integers(0, 10**6))
def test_weights_are_combined_as_a_product_of_matrices_would(seed):
    rng = np.random.default_rng(seed)
    groups = rng.normal(size=(4, 3)) * (rng.random((4, 3)) < 0.5)
    weights = rng.normal(size=(3, 2))
    assert combined(groups, weights) == pytest.approx(groups @ weights, abs=1e-12)
