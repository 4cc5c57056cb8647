"""The online learner: exact at the prior, close to the batch answer, exact in its bytes."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import BanditSettings, OnlineLogistic
from nba.errors import ConflictError, CorruptRecordError, InputError

SETTINGS = BanditSettings(features=("age", "spend"))


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-np.asarray(a)))


def world(seed, n, k=2):
    """Draw a propensity model's logits, features and uniform numbers to compare rates with."""
    rng = np.random.default_rng(seed)
    return rng.normal(-1.0, 1.0, n), rng.normal(size=(n, k)), rng.random(n)


def learn(bandit, logits, z, labels, action="offer"):
    learner = OnlineLogistic(bandit)
    learner.update_many([action] * len(logits), logits, z, labels)
    return learner


def batch_mode(x, y, prior_mean, precision):
    """Find the posterior's mode and covariance on all data by Newton's method; slow, obvious."""
    w = prior_mean.copy()
    for _ in range(100):
        p = sigmoid(x @ w)
        gradient = x.T @ (y - p) - precision * (w - prior_mean)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(precision)
        w += np.linalg.solve(hessian, gradient)
    return w, np.linalg.inv(hessian)


@settings(deadline=None)  # the first example compiles
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    st.tuples(st.floats(-1e9, 1e9), st.just(math.nan)),
)
def test_without_observations_the_propensity_models_logit_comes_back_exactly(logits, z):
    learner = OnlineLogistic(SETTINGS)
    learner.update("another", 0.3, [1.0, 2.0], 1.0)
    learner.update("another", 0.3, [4.0, 0.0], 0.0)
    bound = learner.bind([f"action_{index}" for index in range(len(logits))])
    assert bound.logits(np.array(logits), z).tolist() == logits


def test_the_prior_variance_is_that_of_the_settings():
    """Bias 1/2, slope 3²/5, and features still unscaled, so 0."""
    weak = BanditSettings(features=("age",), prior_precision_bias=2.0, prior_precision_slope=5.0)
    bound = OnlineLogistic(weak).bind(["offer"])
    assert bound.variances(np.array([3.0]), [1.0]) == pytest.approx([0.5 + 9 / 5])


def test_feature_weights_have_a_tenth_of_the_inputs_as_prior_precision():
    """Four inputs make 0.4, so each weight's variance is 2.5; ±1 is one standard deviation."""
    learner = OnlineLogistic(SETTINGS)
    learner.update("other", 0.0, [1.0, 1.0], 0.5)
    learner.update("other", 0.0, [-1.0, -1.0], 0.5)
    bound = learner.bind(["offer"])
    assert bound.variances(np.array([0.0]), [1.0, 0.0]) == pytest.approx([1.0 + 2.5])
    assert bound.variances(np.array([0.0]), [1.0, -1.0]) == pytest.approx([1.0 + 5.0])


def test_one_observation_moves_to_the_exact_posterior_mode():
    """With one observation the online answer is the batch answer, covariance included."""
    learner = OnlineLogistic(BanditSettings())
    learner.update("offer", -2.0, [], 1.0)
    x, precision = np.array([[1.0, -2.0]]), np.array([1.0, 20.0])
    mean, covariance = batch_mode(x, np.ones(1), np.array([0.0, 1.0]), precision)
    assert learner._mean[0] == pytest.approx(mean, abs=1e-10)
    assert learner._covariance[0] == pytest.approx(covariance, abs=1e-10)


def test_a_weight_counts_as_so_many_observations_at_once():
    learner = OnlineLogistic(BanditSettings())
    learner.update("offer", -2.0, [], 1.0, weight=3.0)
    x = np.tile([1.0, -2.0], (3, 1))
    mean, covariance = batch_mode(x, np.ones(3), np.array([0.0, 1.0]), np.array([1.0, 20.0]))
    assert learner._mean[0] == pytest.approx(mean, abs=1e-10)
    assert learner._covariance[0] == pytest.approx(covariance, abs=1e-10)
    assert learner.count("offer") == 3.0


def test_many_observations_come_close_to_the_batch_mode():
    """Within a quarter of a posterior standard deviation after 3,000, and as certain."""
    m, z, u = world(1, 3_000)
    labels = (u < sigmoid(0.5 + 0.8 * m + z @ [0.6, -0.4])).astype(float)
    learner = learn(replace(SETTINGS, forgetting=1.0), m, z, labels)
    scaled = (z - z.mean(axis=0)) / z.std(axis=0)
    x = np.column_stack([np.ones(len(m)), m, scaled])
    precision = np.array([1.0, 20.0, 0.4, 0.4])
    mean, covariance = batch_mode(x, labels, np.array([0.0, 1.0, 0.0, 0.0]), precision)
    deviation = np.sqrt(np.diag(covariance))
    assert (abs(learner._mean[0] - mean) < 0.25 * deviation).all()
    assert np.sqrt(np.diag(learner._covariance[0])) == pytest.approx(deviation, rel=0.05)


def test_it_learns_that_the_model_is_off_by_a_constant():
    m, z, u = world(2, 4_000)
    labels = (u < sigmoid(m + 0.7)).astype(float)
    bound = learn(SETTINGS, m, z, labels).bind(["offer"])
    for at in (-2.0, -1.0, 0.0):
        assert bound.logits(np.array([at]), [0.0, 0.0]) == pytest.approx([at + 0.7], abs=0.15)


def test_it_learns_what_the_model_missed():
    """The model has the sign of a feature wrong; the learner's log loss beats it by far."""
    _, z, u = world(3, 4_000)
    truth = -1.0 + 1.5 * z[:, 0]
    wrong = -1.0 - 1.5 * z[:, 0]
    labels = (u < sigmoid(truth)).astype(float)
    bound = learn(SETTINGS, wrong, z, labels).bind(["offer"])
    _, fresh, _ = world(4, 500)
    learned = [bound.logits(np.array([-1.0 - 1.5 * row[0]]), row)[0] for row in fresh]
    expected = -1.0 + 1.5 * fresh[:, 0]

    def loss(logits):
        p = sigmoid(expected)
        return -(p * np.log(sigmoid(logits)) + (1 - p) * np.log(sigmoid(-np.array(logits)))).mean()

    assert loss(learned) < loss(expected) + 0.02
    assert loss(-1.0 - 1.5 * fresh[:, 0]) > loss(expected) + 0.5


def test_the_correction_is_moderated_towards_the_model_by_its_variance():
    learner = OnlineLogistic(BanditSettings())
    learner.update("offer", -2.0, [], 1.0)
    bound = learner.bind(["offer"])
    m = np.array([-1.0])
    (variance,) = bound.variances(m, [])
    x = np.array([1.0, -1.0])
    assert variance == pytest.approx(x @ learner._covariance[0] @ x)
    correction = x @ learner._mean[0] - m[0]
    expected = m[0] + correction / math.sqrt(1 + math.pi * variance / 8)
    assert bound.logits(m, []) == pytest.approx([expected])


def test_a_prior_further_on_moves_what_was_not_observed_all_the_way_and_the_rest_by_its_share():
    """Σ Σ₀⁻¹ is 1 where nothing was observed, and the share of the prior in the precision else."""
    settings_ = BanditSettings(prior_precision_bias=2.0, prior_precision_slope=4.0)
    learner = OnlineLogistic(settings_)
    for _ in range(30):
        learner.update("seen", 0.0, [], 1.0)
    towards = np.array([[0.5, 0.25], [0.5, 0.25]])
    m = np.zeros(2)
    moved = learner.bind(["fresh", "seen"], towards)
    alone = learner.bind(["fresh", "seen"])
    variances = alone.variances(m, [])
    assert moved.variances(m, []).tolist() == variances.tolist()
    assert variances[0] == pytest.approx(1 / 2)
    moderation = np.sqrt(1 + math.pi * variances / 8)
    change = (moved.logits(m, []) - alone.logits(m, [])) * moderation
    assert change[0] == pytest.approx(0.5)
    assert change[1] == pytest.approx(0.5 * variances[1] * 2.0)
    assert variances[1] < 0.3


@settings(deadline=None)  # the first example compiles
@given(st.integers(0, 10**6), st.integers(0, 8), st.integers(1, 6))
def test_prediction_is_the_plain_matrix_formula(seed, k, n):
    rng = np.random.default_rng(seed)
    names = [f"action_{index}" for index in range(n)]
    learner = OnlineLogistic(BanditSettings(features=tuple(f"f{index}" for index in range(k))))
    history = rng.normal(size=(40, k)) * 3 + 1
    history[rng.random((40, k)) < 0.1] = np.nan
    chosen = [names[index] for index in rng.integers(0, n, 40)]
    learner.update_many(chosen, rng.normal(size=40), history, rng.integers(0, 2, 40))
    m, z = rng.normal(size=n), rng.normal(size=k) * 3
    z[rng.random(k) < 0.2] = np.nan
    scale = np.nanstd(history, axis=0) if k else np.ones(0)
    scaled = np.clip((z - np.nanmean(history, axis=0)) / scale if k else z, -5, 5)
    bound = learner.bind(names)
    logits, variances = bound.logits(m, z), bound.variances(m, z)
    for index, name in enumerate(names):
        slot = learner.actions.index(name) if name in learner.actions else None
        mean = np.array([0.0, 1.0, *np.zeros(k)]) if slot is None else learner._mean[slot]
        prior = np.diag(learner._prior_variance)
        covariance = prior if slot is None else learner._covariance[slot]
        x = np.array([1.0, m[index], *np.nan_to_num(scaled)])
        variance = x @ covariance @ x
        moderation = math.sqrt(1 + math.pi / 8 * variance)
        assert variances[index] == pytest.approx(variance, rel=1e-9)
        expected = m[index] + (x @ mean - m[index]) / moderation
        assert logits[index] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_fractional_label_pulls_towards_its_fraction():
    m, z = np.zeros(2_000), np.zeros((2_000, 2))
    bound = learn(SETTINGS, m, z, np.full(2_000, 0.25)).bind(["offer"])
    assert sigmoid(bound.logits(np.zeros(1), [0.0, 0.0])) == pytest.approx([0.25], abs=0.01)


def test_missing_and_unvaried_features_change_nothing():
    """A feature that is missing, or has one value only, is 0: the same bytes but its scaling."""
    one, two = OnlineLogistic(SETTINGS), OnlineLogistic(SETTINGS)
    for label in (1.0, 0.0, 1.0):
        one.update("offer", -1.0, [math.nan, math.nan], label)
        two.update("offer", -1.0, [7.0, -3.0], label)
    assert np.array_equal(one._mean, two._mean)
    assert np.array_equal(one._covariance, two._covariance)


def test_actions_learn_apart_from_each_other():
    learner = OnlineLogistic(BanditSettings(forgetting=1.0))
    learner.ensure(["kept", "changed"])
    for _ in range(50):
        learner.update("changed", 0.0, [], 1.0)
    kept, changed = learner.bind(["kept", "changed"]).logits(np.zeros(2), [])
    assert kept == 0.0
    assert changed > 1.0
    assert (learner.count("kept"), learner.count("changed"), learner.updates) == (0.0, 50.0, 50)


def test_a_bound_snapshot_does_not_change_with_later_updates():
    learner = OnlineLogistic(SETTINGS)
    learner.update_many(["a", "a"], [0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], [1.0, 0.0])
    bound = learner.bind(["a", "b"])
    before = bound.logits(np.zeros(2), [1.0, 1.0])
    learner.update_many(["a", "b"], [0.0, 0.0], [[9.0, 9.0], [9.0, 9.0]], [1.0, 1.0])
    assert np.array_equal(bound.logits(np.zeros(2), [1.0, 1.0]), before)


def test_forgetting_follows_a_change_that_remembering_does_not():
    """The rate moves from 20 % to 80 % after 3,000 observations; 300 later one of them knows."""
    u = np.random.default_rng(5).random(3_300)
    rate = np.where(np.arange(3_300) < 3_000, 0.2, 0.8)
    found = {}
    for forgetting in (1.0, 0.99):
        bandit = BanditSettings(forgetting=forgetting)
        learner = learn(bandit, np.zeros(3_300), np.zeros((3_300, 0)), (u < rate).astype(float))
        found[forgetting] = float(sigmoid(learner.bind(["offer"]).logits(np.zeros(1), []))[0])
        assert learner.count("offer") == pytest.approx(3_300 if forgetting == 1.0 else 100, abs=1)
    assert found[1.0] < 0.35
    assert found[0.99] == pytest.approx(0.8, abs=0.1)


@settings(deadline=None)  # the first example compiles
@given(st.integers(0, 10**6), st.integers(0, 40))
def test_bytes_give_back_the_same_learner_and_the_same_bytes(seed, n):
    rng = np.random.default_rng(seed)
    rows = [
        (f"action_{rng.integers(0, 20)}", rng.normal(), rng.normal(size=2), rng.random())
        for _ in range(n)
    ]
    learner = OnlineLogistic(SETTINGS)
    learner.ensure(["first"])
    for row in rows[: n // 2]:
        learner.update(*row)
    copy = OnlineLogistic.from_bytes(learner.to_bytes())
    assert copy.to_bytes() == learner.to_bytes()
    assert (copy.settings, copy.actions) == (SETTINGS, learner.actions)
    for row in rows[n // 2 :]:
        learner.update(*row)
        copy.update(*row)
    assert copy.to_bytes() == learner.to_bytes()


def test_one_batch_is_the_same_as_one_update_each_to_the_bit():
    m, z, u = world(6, 300)
    names = [f"action_{index % 19}" for index in range(300)]
    labels = (u < 0.4).astype(float)
    batch, single = OnlineLogistic(SETTINGS), OnlineLogistic(SETTINGS)
    batch.update_many(names, m, z, labels)
    for row in zip(names, m, z, labels, strict=True):
        single.update(*row)
    assert batch.to_bytes() == single.to_bytes()


def test_learning_goes_on_under_the_settings_given():
    stored = OnlineLogistic(SETTINGS)
    now = BanditSettings(features=SETTINGS.features, forgetting=0.9)
    assert OnlineLogistic.from_bytes(stored.to_bytes(), now).settings == now


def test_a_state_learned_on_other_features_is_refused():
    data = OnlineLogistic(SETTINGS).to_bytes()
    with pytest.raises(ConflictError, match=r"2 features \['age', 'spend'\].*1 features \['age'\]"):
        OnlineLogistic.from_bytes(data, BanditSettings(features=("age",)))


def changed(data, **fields):
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(data), **fields})


@pytest.mark.parametrize(
    ("break_", "message"),
    [
        (lambda _: b"", "cannot be read"),
        (lambda data: data[:-3], "cannot be read"),
        (lambda _: msgspec.msgpack.encode([1]), "format None"),
        (lambda data: changed(data, format=2), "format 2; this version reads format 1"),
        (lambda data: changed(data, mean=b"12345678"), "has 8 bytes where shape"),
        (lambda data: changed(data, updates="many"), "cannot be read"),
        (lambda data: changed(data, extra=1), "cannot be read"),
        (lambda data: changed(data, actions=["a", "a"]), "an action twice"),
        (
            lambda data: changed(
                data,
                settings={**msgspec.msgpack.decode(data)["settings"], "forgetting": 7.0},
            ),
            "cannot be read: /forgetting",
        ),
    ],
)
def test_bytes_that_are_not_a_state_are_refused(break_, message):
    learner = OnlineLogistic(SETTINGS)
    learner.ensure(["a", "b"])
    with pytest.raises(CorruptRecordError, match=message):
        OnlineLogistic.from_bytes(break_(learner.to_bytes()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((math.nan, [0, 0], 1.0), "/model_logits/0: found nan"),
        ((math.inf, [0, 0], 1.0), "/model_logits/0: found inf"),
        ((0.0, [0, math.inf], 1.0), "/z/0/1: found inf"),
        ((0.0, [0, 1e101], 1.0), "/z/0/1: found 1e[+]101"),
        ((0.0, [0, 0], 1.1), "/label/0: found 1.1; a number from 0 to 1"),
        ((0.0, [0, 0], math.nan), "/label/0: found nan"),
        ((0.0, [0, 0], 1.0, 0.0), "/weight/0: found 0.0; above 0"),
        ((0.0, [0, 0], 1.0, math.nan), "/weight/0: found nan"),
        ((0.0, [0], 1.0), r"/z: found shape \(1, 1\); \(1, 2\) is expected"),
    ],
)
def test_an_observation_that_cannot_be_learned_from_is_refused_and_leaves_no_trace(
    arguments, message
):
    learner = OnlineLogistic(SETTINGS)
    before = learner.to_bytes()
    with pytest.raises(InputError, match=message):
        learner.update("offer", *arguments)
    assert learner.to_bytes() == before


def test_a_batch_with_one_wrong_row_is_refused_whole():
    learner = OnlineLogistic(BanditSettings())
    before = learner.to_bytes()
    with pytest.raises(InputError, match=r"^/label/1: found 2\.0"):
        learner.update_many(["a", "b"], [0.0, 0.0], np.zeros((2, 0)), [1.0, 2.0])
    assert learner.to_bytes() == before


@pytest.mark.parametrize(
    ("logits", "z", "message"),
    [
        ([0.0, math.nan], [0, 0], "/model_logits/1: found nan"),
        ([0.0, 0.0], [math.inf, 0], "/z/0: found inf"),
        ([0.0], [0, 0], r"/model_logits: found shape \(1,\); \(2,\) is expected"),
        ([0.0, 0.0], [0], r"/z: found shape \(1,\); \(2,\) is expected"),
    ],
)
def test_what_cannot_be_predicted_from_is_refused(logits, z, message):
    bound = OnlineLogistic(SETTINGS).bind(["a", "b"])
    with pytest.raises(InputError, match=message):
        bound.logits(np.array(logits), z)


def test_ten_thousand_actions_are_bound_and_scored():
    learner = OnlineLogistic(SETTINGS)
    names = [f"action_{index}" for index in range(10_000)]
    learner.ensure(names)
    learner.update("action_9999", 0.0, [1.0, 1.0], 1.0)
    logits = learner.bind(names).logits(np.zeros(10_000), [1.0, 1.0])
    assert logits[:-1].tolist() == [0.0] * 9_999
    assert logits[-1] > 0.0


def test_about_some_candidates_it_knows_what_it_knows_of_all():
    rng = np.random.default_rng(5)
    learner = OnlineLogistic(BanditSettings(features=("age", "orders")))
    names = ["a", "b", "c", "d"]
    for _ in range(60):
        learner.update(names[rng.integers(3)], -1.0, rng.normal(size=2), float(rng.random() < 0.4))
    logits, z = np.array([-1.0, 0.5, 0.0, -2.0]), [0.3, np.nan]
    rows = np.array([3, 0, 2])
    every, some = learner.bind(names), learner.bind(names).among(rows)
    found, expected = some.estimate(logits[rows], z), every.estimate(logits, z)
    assert found[0].tolist() == expected[0][rows].tolist()
    assert found[1].tolist() == expected[1][rows].tolist()


def test_where_nothing_was_registered_there_is_nothing_to_give_up() -> None:
    learner = OnlineLogistic(BanditSettings(features=("age",)))
    before = learner.to_bytes()
    learner.widen(0.3)
    assert learner.to_bytes() == before
