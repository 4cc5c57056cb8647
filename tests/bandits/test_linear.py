"""Linear models: the batch answer, sureness that holds, sharing, forgetting, exact bytes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import LinearModel
from nba.errors import CorruptRecordError, InputError

SHARINGS = ["per_action", "shared", "hybrid"]


def world(seed, m, k=3, n_actions=3):
    """Draw situations off-centre and of different scales, actions, and noisy linear rewards."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, k)) * [1.0, 10.0, 0.01][:k] + [0.0, 100.0, -3.0][:k]
    actions = rng.integers(0, n_actions, m)
    slopes = rng.normal(size=(n_actions, k)) / [1.0, 10.0, 0.01][:k]
    rewards = np.einsum("ij,ij->i", X - X.mean(axis=0), slopes[actions]) + rng.normal(0, 0.1, m)
    return X, actions, rewards


def model_of(sharing, n_actions=3, k=3, **parameters):
    described = np.eye(n_actions)[:, :2] if sharing == "shared" else None
    return LinearModel(n_actions, k, sharing=sharing, action_features=described, **parameters)


def standardized(X, at=None):
    scale = X.std(axis=0)
    scale[scale == 0.0] = 1.0
    rows = X if at is None else np.asarray(at)[None]
    return np.column_stack([np.ones(len(rows)), (rows - X.mean(axis=0)) / scale])


def batch(X, actions, rewards, x, action, ridge=1.0):
    """Solve one action's ridge regression at once; return prediction and xᵀ A⁻¹ x."""
    base = rewards.sum() / (1.0 + len(rewards))
    Z = standardized(X)[actions == action]
    prior = np.zeros(Z.shape[1])
    prior[0] = base
    A = Z.T @ Z + ridge * np.eye(Z.shape[1])
    weights = np.linalg.solve(A, Z.T @ rewards[actions == action] + ridge * prior)
    z = standardized(X, x)[0]
    return z @ weights, z @ np.linalg.solve(A, z)


@settings(deadline=None, max_examples=20)  # the first example compiles
@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 7.0]), st.integers(3, 60))
def test_per_action_is_the_batch_ridge_regression_of_each(seed, ridge, m):
    X, actions, rewards = world(seed, m)
    model = model_of("per_action", ridge=ridge)
    model.update_many(X, actions, rewards)
    model.settle()
    estimate = model.estimate(X[0])
    for action in range(3):
        mean, quadratic = batch(X, actions, rewards, X[0], action, ridge)
        assert estimate.means[action] == pytest.approx(mean, rel=1e-8, abs=1e-8)
        expected = math.sqrt(model.noise() * quadratic)
        assert estimate.deviations[action] == pytest.approx(expected, rel=1e-7)


@settings(deadline=None, max_examples=20)  # the first example compiles
@given(st.integers(0, 10**6), st.sampled_from(SHARINGS))
def test_settling_changes_nothing_but_the_frame(seed, sharing):
    """Updates keep the inverse that solving anew gives, in the frame of the last settling."""
    X, actions, rewards = world(seed, 40)
    model = model_of(sharing)
    model.update_many(X, actions, rewards)
    before = model.estimate(X[1])
    d = 1 + model.n_features
    model.reframe(np.eye(d))
    after = model.estimate(X[1])
    assert after.means == pytest.approx(before.means, rel=1e-7, abs=1e-9)
    # The noise alone lags: each action's residual is of its last observation or settling.
    ratio = after.deviations / before.deviations
    assert ratio == pytest.approx(np.full(3, ratio[0]), rel=1e-6)


def test_noise_is_estimated():
    X, actions, rewards = world(3, 5_000)
    model = model_of("per_action")
    model.update_many(X, actions, rewards)
    assert math.sqrt(model.noise()) == pytest.approx(0.1, rel=0.05)


def test_deviations_cover_the_truth():
    """Over 200 worlds of 60 observations the truth is within 2 deviations 95 times in 100."""
    within = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        slope = rng.normal(size=2)
        X = rng.normal(size=(60, 2))
        model = LinearModel(1, 2)
        model.update_many(X, np.zeros(60, dtype=int), X @ slope + rng.normal(0.0, 0.5, 60))
        x = rng.normal(size=2)
        estimate = model.estimate(x)
        within += abs(estimate.means[0] - x @ slope) <= 2.0 * estimate.deviations[0]
    assert 180 <= within <= 200


@pytest.mark.parametrize("sharing", SHARINGS)
def test_without_observations_all_are_at_the_base_rate(sharing):
    model = model_of(sharing, base_rate=0.02)
    assert model.estimate([0.0, 0.0, 0.0]).means == pytest.approx([0.02] * 3, rel=0.5)
    own = model_of("per_action", base_rate=0.02).estimate([0.0, 0.0, 0.0])
    assert own.means.tolist() == [0.02] * 3
    assert own.deviations.tolist() == [0.5] * 3  # one prior observation's noise, √0.25


def test_an_action_never_seen_is_at_the_mean_of_all_rewards():
    """Two rewards of 0.3 and one prior observation of 0 make 0.2; its sureness is the prior's."""
    model = LinearModel(2, 1)
    model.update_many([[0.0], [2.0]], [0, 0], [0.3, 0.3])
    model.settle()
    estimate = model.estimate([1.0])
    assert estimate.means[1] == pytest.approx(0.2)
    assert estimate.deviations[1] == pytest.approx(math.sqrt(model.noise()))


def test_where_the_base_rate_does_not_move_an_action_never_seen_stays_at_it():
    """And the one that was seen is drawn to it: 0.3, 0.3 and the prior's 0.6 make 0.4."""
    model = LinearModel(2, 0, base_rate=0.6, rate_moves=False)
    model.update_many(np.zeros((2, 0)), [0, 0], [0.3, 0.3])
    assert model.estimate([]).means.tolist() == [pytest.approx(0.4), 0.6]
    again = LinearModel.from_bytes(model.to_bytes())
    assert again.parameters() == model.parameters()
    assert again.rate() == 0.6


@pytest.mark.parametrize("sharing", SHARINGS)
def test_there_may_be_no_action_yet(sharing):
    model = LinearModel(0, 2, sharing=sharing)
    assert model.estimate([0.0, 1.0]).means.tolist() == []
    assert LinearModel.from_bytes(model.to_bytes()).to_bytes() == model.to_bytes()


def test_in_a_hybrid_an_action_never_seen_is_at_what_all_together_suggest():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(500, 1))
    actions = rng.integers(0, 2, 500)
    model = LinearModel(3, 1, sharing="hybrid")
    model.update_many(X, actions, 0.5 + X[:, 0])
    assert model.estimate([1.0]).means[2] == pytest.approx(1.5, abs=0.05)
    plain = LinearModel(3, 1)
    plain.update_many(X, actions, 0.5 + X[:, 0])
    assert plain.estimate([1.0]).means[2] == pytest.approx(0.5, abs=0.1)
    assert model.estimate([1.0]).deviations[2] > model.estimate([1.0]).deviations[0]


def test_in_a_hybrid_each_action_parts_from_the_others_as_it_is_seen():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(2_000, 1))
    actions = rng.integers(0, 2, 2_000)
    model = LinearModel(2, 1, sharing="hybrid")
    model.update_many(X, actions, np.where(actions == 0, X[:, 0], -X[:, 0]))
    assert model.estimate([1.0]).means == pytest.approx([1.0, -1.0], abs=0.05)


def test_shared_parameters_tell_actions_apart_by_their_features():
    """The third action's reward was never seen; its feature lies between the others'."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(1_000, 1))
    actions = rng.integers(0, 2, 1_000)
    price = np.array([[0.0], [1.0], [0.5]])
    model = LinearModel(3, 1, sharing="shared", action_features=price)
    model.update_many(X, actions, X[:, 0] * price[actions, 0])
    assert model.estimate([2.0]).means == pytest.approx([0.0, 2.0, 1.0], abs=0.05)


def test_forgetting_follows_what_changed():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(2_000, 2))
    rewards = np.where(np.arange(2_000) < 1_000, X[:, 0], -X[:, 0])
    kept, followed = LinearModel(1, 2), LinearModel(1, 2, forgetting=0.98)
    for model in (kept, followed):
        model.update_many(X, np.zeros(2_000, dtype=int), rewards)
    assert followed.estimate([1.0, 0.0]).means == pytest.approx([-1.0], abs=0.05)
    assert abs(kept.estimate([1.0, 0.0]).means[0]) < 0.1


@settings(deadline=None, max_examples=20)  # the first example compiles
@given(st.sampled_from([0.5, 0.9, 0.999]), st.integers(0, 1_000))
def test_forgetting_never_winds_up_where_nothing_is_observed(forgetting, seed):
    """After 500 equal situations the other directions are as unsure as the prior, not more."""
    rng = np.random.default_rng(seed)
    model = LinearModel(1, 3, forgetting=forgetting)
    model.update_many(rng.normal(size=(20, 3)), np.zeros(20, dtype=int), rng.normal(size=20))
    model.update_many(np.ones((500, 3)), np.zeros(500, dtype=int), rng.normal(size=500))
    x = np.array([1.0, -3.0, 2.0])
    inputs = model.frame.bounded_inputs(x)
    quadratic = model.estimate(x).deviations[0] ** 2 / model.noise()
    ceiling = inputs @ inputs / model.ridge
    assert 0.0 <= quadratic <= 4.0 * ceiling


@pytest.mark.parametrize("sharing", SHARINGS)
def test_widened_it_is_unsure_again_and_near_its_prior(sharing):
    X, actions, rewards = world(3, 2_000)
    model, fresh = model_of(sharing, ridge=5.0), model_of(sharing, ridge=5.0)
    model.update_many(X, actions, rewards)
    x = X.mean(axis=0) + X.std(axis=0)
    before = model.estimate(x)
    model.widen(0.3)
    after, prior = model.estimate(x), fresh.estimate(x)
    assert (np.abs(after.means - model.rate()) < 0.6 * np.abs(before.means - model.rate())).all()
    unsure = after.deviations / math.sqrt(model.noise())
    assert (unsure > 5.0 * before.deviations / math.sqrt(model.noise())).all()
    assert (unsure < prior.deviations / math.sqrt(fresh.noise())).all()
    assert LinearModel.from_bytes(model.to_bytes()).to_bytes() == model.to_bytes()


@pytest.mark.parametrize("sharing", SHARINGS)
def test_widened_it_learns_the_opposite_sooner(sharing):
    X, actions, rewards = world(4, 600)
    kept, widened = (model_of(sharing) for _ in range(2))
    for model in (kept, widened):
        model.update_many(X[:500], actions[:500], rewards[:500])
    widened.widen(0.3)
    for model in (kept, widened):
        model.update_many(X[500:], actions[500:], -rewards[500:])
    errors = [
        np.mean(
            [np.abs(model.expected(x, 0) + reward) for x, reward in zip(X, rewards, strict=True)]
        )
        for model in (kept, widened)
    ]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("sharing", SHARINGS)
def test_what_is_expected_of_one_action_is_what_is_estimated_of_it(sharing):
    X, actions, rewards = world(5, 60)
    model = model_of(sharing)
    model.update_many(X, actions, rewards)
    for at, x in enumerate((X[0], X[1] * [1.0, math.nan, 1.0])):
        expected = [model.expected(x, action) for action in range(3)]
        assert expected == model.estimate(x).means.tolist(), at


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_change_is_noticed_and_through_bytes_at_the_same_observation(sharing):
    X, actions, rewards = world(6, 1_600)
    rewards[1_000:] *= -1.0
    whole = model_of(sharing, change_threshold=4.0)
    raised = []
    for row in range(1_600):
        whole.update(X[row], actions[row], rewards[row])
        if whole.alarms > len(raised):
            raised.append(row)
    assert len(raised) == 1
    assert 1_000 < raised[0] < 1_100
    first = model_of(sharing, change_threshold=4.0)
    first.update_many(X[:700], actions[:700], rewards[:700])
    second = LinearModel.from_bytes(first.to_bytes())
    second.update_many(X[700:], actions[700:], rewards[700:])
    assert second.to_bytes() == whole.to_bytes()
    deaf = model_of(sharing)
    deaf.update_many(X, actions, rewards)
    assert deaf.alarms == 0
    assert deaf.change_threshold is None


def test_what_is_looked_out_for_may_change_midway():
    X, actions, rewards = world(7, 900)
    model = model_of("per_action", change_threshold=4.0)
    model.update_many(X[:600], actions[:600], rewards[:600])
    compared = model.change.detector.seen
    model.watch(9.0)
    assert (model.change_threshold, model.change.detector.seen) == (9.0, compared)
    model.watch(None)
    assert model.change_threshold is None
    assert LinearModel.from_bytes(model.to_bytes()).to_bytes() == model.to_bytes()
    model.watch(4.0)
    model.update_many(X[600:], actions[600:], rewards[600:])
    assert (model.change.detector.seen, model.alarms) == (300, 0)


def test_what_an_action_showed_before_it_was_reset_is_forgotten_too():
    X, actions, rewards = world(8, 90)
    model = model_of("per_action", change_threshold=4.0)
    model.update_many(X, actions, rewards)
    model.reset([1])
    assert model.change.spread[1].tolist() == [0.0, 0.0]
    assert model.change.spread[0, 0] == (actions == 0).sum()


def test_one_wild_feature_decides_nothing_alone():
    model = LinearModel(2, 1)
    model.update_many([[0.0], [1.0], [2.0]], [0, 1, 0], [0.0, 0.5, 0.2])
    assert abs(model.estimate([1e50]).means).max() < 10.0


@pytest.mark.parametrize("sharing", SHARINGS)
def test_collinear_and_constant_features_leave_it_sane(sharing):
    """The same feature three times and one that never varies make a singular covariance."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=400)
    X = np.column_stack([x, x, x, np.full(400, 7.0)])
    model = model_of(sharing, k=4)
    model.update_many(X, rng.integers(0, 3, 400), x)
    estimate = model.estimate([1.0, 1.0, 1.0, 7.0])
    assert estimate.means == pytest.approx([1.0] * 3, abs=0.3 if sharing == "shared" else 0.05)
    assert (estimate.deviations > 0.0).all()


def test_a_missing_feature_counts_as_its_mean():
    X, actions, rewards = world(8, 300)
    model = model_of("per_action")
    model.update_many(X, actions, rewards)
    missing = model.estimate([math.nan, X[0, 1], X[0, 2]])
    mean = model.estimate([model.frame.shift[0], X[0, 1], X[0, 2]])
    assert missing.means.tolist() == mean.means.tolist()
    model.update([math.nan] * 3, 0, 0.5)
    assert np.isfinite(model.estimate(X[0]).means).all()


def test_a_weight_counts_as_so_many_observations():
    X, actions, rewards = world(9, 30)
    once, thrice = model_of("per_action"), model_of("per_action")
    for _ in range(3):
        thrice.update_many(X, actions, rewards)
    once.update_many(X, actions, rewards, np.full(30, 3.0))
    once.settle()
    thrice.settle()
    assert once.estimate(X[0]).means == pytest.approx(thrice.estimate(X[0]).means, rel=1e-8)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("forgetting", [1.0, 0.97])
def test_the_same_observations_give_the_same_bytes_also_through_bytes(sharing, forgetting):
    X, actions, rewards = world(10, 60)
    whole = model_of(sharing, forgetting=forgetting)
    whole.update_many(X, actions, rewards)
    half = model_of(sharing, forgetting=forgetting)
    half.update_many(X[:25], actions[:25], rewards[:25])
    half = LinearModel.from_bytes(half.to_bytes())
    for row in range(25, 60):
        half.update(X[row], actions[row], rewards[row])
    assert half.to_bytes() == whole.to_bytes()
    assert half.updates == 60


@pytest.mark.parametrize("data", [b"", b"\x80", b"nothing"])
def test_bytes_that_are_no_state_are_refused(data):
    with pytest.raises(CorruptRecordError, match="linear state"):
        LinearModel.from_bytes(data)


def test_ten_thousand_actions():
    model = LinearModel(10_000, 2)
    model.update([0.0, 1.0], 9_999, 1.0)
    model.update([0.0, 0.0], 0, 0.0)
    seen, unseen = model.estimate([0.0, 1.0]).means, model.estimate([0.0, 0.0]).means
    assert seen.argmax() == 9_999
    assert unseen.argmin() == 0
    assert seen[1] == unseen[1] == model.rate()


@pytest.mark.parametrize(
    ("x", "action", "reward", "message"),
    [
        ([0.0, 0.0], 0, math.nan, r"^/rewards/0: found nan; a number within ±1e6"),
        ([0.0, 0.0], 0, 1e9, r"^/rewards/0: found 1000000000; a number within ±1e6"),
        ([0.0, 0.0], 2, 1.0, r"^/actions/0: found 2; a whole number below 2"),
        ([0.0, 0.0], -1, 1.0, r"^/actions/0: found -1"),
        ([0.0, 1e60], 0, 1.0, r"^/X/0/1: found 1e\+60; a number within ±1e50"),
        ([0.0], 0, 1.0, r"^/X: found shape \(1, 1\); \(1, 2\) is expected"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_and_nothing_is_learned(x, action, reward, message):
    model = LinearModel(2, 2)
    before = model.to_bytes()
    with pytest.raises(InputError, match=message):
        model.update(x, action, reward)
    assert model.to_bytes() == before


def test_every_fault_of_a_batch_is_named():
    with pytest.raises(InputError) as caught:
        LinearModel(2, 1).update_many([[0.0]] * 3, [0, 5, 1], [0.0, math.inf, 0.1], [1.0, 1.0, 0.0])
    assert [fault.place for fault in caught.value.faults] == [
        "/actions/1",
        "/rewards/1",
        "/weights/2",
    ]


@pytest.mark.parametrize("x", [[0.0], [0.0, 1e60]])
def test_a_situation_of_another_shape_or_size_is_refused(x):
    with pytest.raises(InputError, match=r"^/x"):
        LinearModel(2, 2).estimate(x)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ridge": 0.0}, "^/ridge: found 0.0"),
        ({"forgetting": 1.1}, "^/forgetting: found 1.1"),
        ({"noise_variance": math.nan}, "^/noise_variance: found nan"),
        ({"change_threshold": 0.0}, r"^/change_threshold: found 0\.0"),
        ({"base_rate": math.inf}, "^/base_rate: found inf"),
        ({"sharing": "shared"}, "^/action_features: there are none"),
        ({"sharing": "other"}, "^/sharing: found other"),
        ({"action_features": [[1.0]]}, r"^/action_features: found shape \(1, 1\); \(2, p\) is"),
        ({"action_features": [[1.0], [math.nan]]}, "^/action_features/1/0: found nan"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(InputError, match=message):
        LinearModel(2, 2, **parameters)


@pytest.mark.parametrize(("n_actions", "n_features"), [(-1, 1), (1, -1)])
def test_fewer_than_no_actions_or_features_are_refused(n_actions, n_features):
    with pytest.raises(InputError, match="found -1; a whole number of at least 0"):
        LinearModel(n_actions, n_features)


def test_sizes_and_constants_that_are_numpys_are_as_good():
    model = LinearModel(np.int64(2), np.int64(1), ridge=np.float64(2.0))
    assert LinearModel.from_bytes(model.to_bytes()).parameters() == model.parameters()
