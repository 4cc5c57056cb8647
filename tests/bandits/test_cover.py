"""Cover: an exact mixture of policies, of which the later ones go where the former do not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits import ContextualBandit, Cover, CoverModel, LinearModel, Votes
from nba.bandits.cover import smallest_share
from nba.bandits.packing import pack_members
from nba.errors import CorruptRecordError, InputError

score = st.sampled_from([0.0, 0.25, 0.5]) | st.floats(-1.0, 1.0)


def observations(seed, m):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, 2))
    actions = rng.integers(0, 3, m)
    rewards = np.where(actions == 0, X[:, 0], 0.1) + rng.normal(0.0, 0.3, m)
    return X, actions, rewards, None, rng.uniform(0.1, 1.0, m)


def learned(seed=1, m=40, **parameters):
    model = CoverModel(LinearModel(3, 2), **parameters)
    model.update_many(*observations(seed, m))
    return model


def choices(members):
    best = members == members.max(axis=1, keepdims=True)
    return best / best.sum(axis=1, keepdims=True)


@settings(deadline=None)  # the first example compiles
@given(
    rows=st.integers(1, 6).flatmap(lambda n: st.lists(st.tuples(*[score] * n), min_size=1)),
    updates=st.integers(0, 10**6),
    uniform=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_probabilities_are_the_mixture_of_what_each_policy_chooses(rows, updates, uniform):
    members = np.array(rows)
    n = members.shape[1]
    least = uniform * min(1.0 / n, 1.0 / math.sqrt(n * (updates + 1)))
    expected = [0.0] * n
    for row in rows:
        for index in range(n):
            chosen = (row[index] == max(row)) / row.count(max(row))
            expected[index] += ((1.0 - n * least) * chosen + least) / len(rows)
    p = Cover(uniform).probabilities(members[0], updates=updates, members=members)
    assert p == pytest.approx(expected, abs=1e-12)
    assert abs(math.fsum(p) - 1.0) <= 1e-12


def test_the_uniform_part_narrows_with_the_root_of_the_updates():
    """Of 4 candidates: all of it until t = 4, then 1/√(4 t) each."""
    members = np.array([[0.1, 0.2, 0.0, 0.0]])
    least = [Cover().probabilities(members[0], updates=t - 1).min() for t in (1, 4, 100, 10_000)]
    assert least == pytest.approx([0.25, 0.25, 0.05, 0.005], abs=1e-15)
    assert Cover(0.0).probabilities(members[0], updates=3).tolist() == [0.0, 1.0, 0.0, 0.0]


def test_before_anything_is_learned_all_are_alike():
    bandit = ContextualBandit(CoverModel(LinearModel(4, 2)), Cover(0.0))
    assert bandit.probabilities([0.3, 1.0]).tolist() == [0.25] * 4


def test_the_first_policy_is_the_prototype_and_nothing_else():
    X, actions, rewards, *_ = observations(2, 50)
    alone = LinearModel(3, 2)
    alone.update_many(X, actions, rewards)
    model = learned(2, 50)
    assert model.first.to_bytes() == alone.to_bytes()
    assert np.array_equal(model.estimate(X[0]).means, alone.estimate(X[0]).means)
    assert np.array_equal(model.estimate(X[0]).members[0], alone.estimate(X[0]).means)


def test_later_policies_are_ridge_regressions_of_the_doubly_robust_reward_and_the_pay():
    """Worked out anew: targets one after another, then one least-squares fit on all of them."""
    X, actions, rewards, _, chances = observations(3, 30)
    psi, model = 0.2, CoverModel(LinearModel(3, 2), policies=3, psi=0.2)
    targets = []
    for row in range(30):
        estimate = model.estimate(X[row])
        reward = estimate.means.copy()
        reward[actions[row]] += (rewards[row] - reward[actions[row]]) / chances[row]
        chosen = choices(estimate.members)
        least = min(1 / 3, 1 / math.sqrt(3 * (row + 1)))
        pay = [
            psi * least / (least + (1 - 3 * least) * chosen[:before].mean(axis=0))
            for before in (1, 2)
        ]
        targets.append(reward + np.array(pay))
        model.update(X[row], actions[row], rewards[row], probability=chances[row])
    seen = model.frame
    inputs = np.column_stack([np.ones(30), (X - seen.shift) / seen.scale])
    precision = inputs.T @ inputs + np.eye(3)
    prior = np.array([model.first.rate(), 0.0, 0.0])
    x = np.concatenate([[1.0], (X[4] - seen.shift) / seen.scale])
    for policy in (0, 1):
        moments = np.einsum("td,ta->ad", inputs, np.array(targets)[:, policy]) + prior
        expected = moments @ np.linalg.solve(precision, x)
        assert model.estimate(X[4]).members[1 + policy] == pytest.approx(expected, abs=1e-9)


def test_when_the_first_policy_notices_a_change_the_others_give_up_as_it_does():
    """What later ones were taught counts for at most .3 of the prior then, whatever it was."""
    model = CoverModel(LinearModel(3, 2, change_threshold=4.0), policies=3)
    X, actions, rewards, _, chances = observations(4, 1_400)
    rewards[1_000:] *= -3.0
    for row in range(1_400):
        before = model.stack.counts.copy(), model.moments.copy()
        model.update(X[row], actions[row], rewards[row], probability=chances[row])
        if model.alarms:
            break
    assert 1_000 < row < 1_200
    shares = 0.3 / (1.0 + before[0] + 1.0)
    assert model.stack.counts == pytest.approx((before[0] + 1.0) * shares)
    assert np.abs(model.moments).max() < 0.01 * np.abs(before[1]).max()
    assert CoverModel.from_bytes(model.to_bytes()).to_bytes() == model.to_bytes()


def test_what_no_policy_chooses_is_paid_psi_and_what_all_choose_next_to_nothing():
    model = CoverModel(LinearModel(2, 1), policies=3, psi=0.3)
    model.first.updates = 19_999
    pay = model._pay(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
    least = smallest_share(2, 19_999)
    assert least == pytest.approx(0.005)
    assert pay == pytest.approx(np.array([[0.3 * 0.005 / 0.995, 0.3]] * 2))


def test_later_policies_try_what_earlier_ones_leave_out():
    """Two actions a hair apart: those paid to cover come to choose the lesser one as well."""

    def chosen_by_all(psi):
        rng = np.random.default_rng(4)
        bandit = ContextualBandit(CoverModel(LinearModel(3, 1), policies=4, psi=psi), Cover())
        for _ in range(600):
            x = rng.normal(size=1)
            drawn = bandit.decide(x)
            earned = [0.50, 0.48, 0.0][drawn.action] + rng.normal(0.0, 0.05)
            bandit.learn(x, drawn.action, earned, probability=drawn.probability)
        members = [bandit.model.estimate(x).members for x in rng.normal(size=(50, 1))]
        return np.mean([choices(each).sum(axis=0) / 4 for each in members], axis=0)

    alike, covering = chosen_by_all(0.0), chosen_by_all(0.1)
    assert alike[0] > 0.9
    assert covering[1] > 0.2
    assert covering[2] == 0.0  # half a reward worse: a tenth does not pay for it


@pytest.mark.parametrize("uniform", [0.0, 1.0])
def test_a_simple_world_is_learned(uniform):
    """The best action follows the sign of a feature; every constant earns one half."""
    rng = np.random.default_rng(5)
    model = CoverModel(LinearModel(2, 2))
    bandit = ContextualBandit(model, Cover(uniform), seed=3)
    earned = []
    for _ in range(1_500):
        x = rng.normal(size=2)
        drawn = bandit.decide(x)
        earned.append(float(drawn.action == (x[0] > 0.0)))
        bandit.learn(x, drawn.action, earned[-1], probability=drawn.probability)
    assert np.mean(earned) > 0.75
    X = rng.normal(size=(300, 2))
    assert (bandit.predict(X) == (X[:, 0] > 0.0)).mean() > 0.9


def test_policies_choose_among_what_is_available():
    bandit = ContextualBandit(learned(6), Cover(0.0))
    x = np.array([0.2, 0.4])
    expected = choices(bandit.model.estimate(x).members[:, [0, 2]]).mean(axis=0)
    p = bandit.probabilities(x, np.array([True, False, True]))
    assert p.tolist() == [expected[0], 0.0, expected[1]]


def test_a_floor_is_met_where_no_policy_would_go():
    bandit = ContextualBandit(learned(7, 300, psi=0.0), Cover(0.0), floor=0.05)
    p = bandit.probabilities([2.0, 0.0])
    assert p.min() == 0.05
    assert p.sum() == pytest.approx(1.0, abs=1e-12)


def test_one_policy_without_a_uniform_part_is_greedy():
    X, *_ = observations(8, 20)
    model = learned(8, policies=1)
    p = ContextualBandit(model, Cover(0.0)).predict_proba(X)
    assert np.array_equal(p.argmax(axis=1), [model.first.estimate(x).means.argmax() for x in X])
    assert (p.max(axis=1) == 1.0).all()


def test_members_may_vote_as_well():
    model = learned(9)
    x = [0.1, -0.2]
    votes = ContextualBandit(model, Votes()).probabilities(x)
    assert np.array_equal(votes, ContextualBandit(model, Cover(0.0)).probabilities(x))


def test_the_chance_of_the_choice_counts_and_is_1_where_it_is_not_told():
    X, actions, rewards, _, chances = observations(10, 30)
    told, silent, certain = (CoverModel(LinearModel(3, 2)) for _ in range(3))
    ContextualBandit(told, Cover()).partial_fit(X, actions, rewards, probabilities=chances)
    ContextualBandit(silent, Cover()).partial_fit(X, actions, rewards)
    certain.update_many(X, actions, rewards, None, np.ones(30))
    assert silent.to_bytes() == certain.to_bytes()
    assert told.to_bytes() != certain.to_bytes()


def test_bytes_come_back_to_the_last_bit_and_learning_goes_on_alike():
    X, actions, rewards, _, chances = observations(11, 50)
    whole = learned(11, 50, policies=3)
    half = CoverModel(LinearModel(3, 2), policies=3)
    half.update_many(X[:20], actions[:20], rewards[:20], None, chances[:20])
    half = CoverModel.from_bytes(half.to_bytes())
    for row in range(20, 50):
        half.update(X[row], actions[row], rewards[row], probability=chances[row])
    assert half.to_bytes() == whole.to_bytes()
    assert whole.updates == 50


def test_what_is_forgotten_is_forgotten_by_all_policies():
    """After rewards turn over, a forgetting model's later policies follow; the other's do not."""
    X = np.zeros((400, 1))
    actions = np.arange(400) % 2
    rewards = np.where((actions == 0) == (np.arange(400) < 300), 1.0, 0.0)
    forgetful, faithful = (
        CoverModel(LinearModel(2, 1, forgetting=keeps), policies=2, psi=0.0) for keeps in (0.9, 1.0)
    )
    for model in (forgetful, faithful):
        model.update_many(X, actions, rewards, None, np.full(400, 0.5))
    assert forgetful.estimate([0.0]).members.argmax(axis=1).tolist() == [1, 1]
    assert faithful.estimate([0.0]).members.argmax(axis=1).tolist() == [0, 0]


def test_missing_features_count_as_their_mean():
    model = learned(12)
    mean = model.frame.shift
    missing, present = model.estimate([math.nan, 0.3]), model.estimate([mean[0], 0.3])
    assert missing.members == pytest.approx(present.members, abs=1e-12)
    model.update([math.nan, 0.0], 1, 0.4, probability=0.5)
    assert np.isfinite(model.estimate([math.nan, math.nan]).members).all()


def test_bad_observations_are_refused_before_anything_is_learned():
    model = learned(13)
    before = model.to_bytes()
    X = np.zeros((2, 2))
    with pytest.raises(InputError, match=r"^/probabilities/1: found 0; above 0 and up to 1"):
        model.update_many(X, [0, 1], [0.0, 1.0], None, [0.5, 0.0])
    with pytest.raises(InputError, match=r"^/probabilities/0: found nan"):
        model.update_many(X, [0, 1], [0.0, 1.0], None, [math.nan, 1.0])
    with pytest.raises(InputError, match=r"^/probabilities: found shape \(1,\)"):
        model.update_many(X, [0, 1], [0.0, 1.0], None, [0.5])
    with pytest.raises(InputError, match=r"^/rewards/1: found 1000000000"):
        model.update_many(X, [0, 1], [0.0, 1e9])
    assert model.to_bytes() == before


def test_parameters_out_of_range_and_bytes_that_are_none_are_refused():
    with pytest.raises(InputError, match=r"^/policies: found 0; .*\n?.*/psi: found -1"):
        CoverModel(LinearModel(2, 1), policies=0, psi=-1.0)
    with pytest.raises(InputError, match=r"^/uniform: found 1.5; a number from 0 to 1"):
        Cover(1.5)
    with pytest.raises(CorruptRecordError, match="state cannot be read"):
        CoverModel.from_bytes(b"\x80")
    with pytest.raises(CorruptRecordError, match="cover state has 1 parts, not 2"):
        CoverModel.from_bytes(pack_members(0, 3, [LinearModel(2, 1).to_bytes()]))


def guarded(seed, m=30, n=4, k=2):
    """Draw rounds in which guardrails left only some actions, each with a worth of its own."""
    rng = np.random.default_rng(seed)
    left = rng.random((m, n)) < 0.6
    actions = rng.integers(0, n, m)
    left[np.arange(m), actions] = True
    return {
        "X": rng.normal(size=(m, k)),
        "actions": actions,
        "rewards": rng.normal(size=m),
        "probabilities": rng.uniform(0.1, 1.0, m),
        "available": left,
        "offsets": rng.normal(0.0, 0.2, (m, n)),
    }


def row_of(rounds, row):
    given = {name: rounds[name][row] for name in ("available", "offsets")}
    x, action, reward, chance = (
        rounds[name][row] for name in ("X", "actions", "rewards", "probabilities")
    )
    return (x, action, reward, 1.0, chance), given


@settings(deadline=None, max_examples=10)  # the first example compiles
@given(seed=st.integers(0, 10**6))
def test_under_guardrails_each_action_is_regressed_on_where_it_was_available(seed):
    """Worked out anew: the targets round by round, then one least-squares fit for each action."""
    m, psi, rounds = 25, 0.2, guarded(seed, 25)
    model = CoverModel(LinearModel(4, 2), policies=3, psi=psi)
    targets = np.zeros((m, 2, 4))
    for row in range(m):
        (x, action, reward, _, chance), given = row_of(rounds, row)
        left = np.flatnonzero(given["available"])
        estimate = model.estimate(x)
        earned = estimate.means.copy()
        earned[action] += (reward - earned[action]) / chance
        chosen = choices((estimate.members + given["offsets"])[:, left])
        K = len(left)
        least = min(1 / K, 1 / math.sqrt(K * (row + 1)))
        for before in (1, 2):
            share = chosen[:before].mean(axis=0)
            pay = psi * least / (least + (1 - K * least) * share)
            targets[row, before - 1, left] = earned[left] + pay
        model.update(x, action, reward, 1.0, chance, **given)
    frame = model.frame
    inputs = np.column_stack([np.ones(m), (rounds["X"] - frame.shift) / frame.scale])
    prior = np.array([model.first.rate(), 0.0, 0.0])
    for action in range(4):
        seen = rounds["available"][:, action]
        precision = inputs[seen].T @ inputs[seen] + np.eye(3)
        solved = np.linalg.solve(precision, inputs[4])
        for policy in (0, 1):
            moments = inputs[seen].T @ targets[seen, policy, action] + prior
            bounded = model.estimate(rounds["X"][4]).members[1 + policy, action]
            assert bounded == pytest.approx(moments @ solved, abs=1e-8)


def test_what_is_expected_of_an_action_that_was_not_available_does_not_move():
    rounds = guarded(21, 60)
    model = CoverModel(LinearModel(4, 2, rate_moves=False), policies=4)
    model.update_many(**{name: part[:40] for name, part in rounds.items()})
    rounds["available"][40:, 2] = False
    rounds["actions"][40:] %= 2
    rounds["available"][np.arange(40, 60), rounds["actions"][40:]] = True
    model.first.settle_at = 1_000  # moving the frame would move the prior of all
    before = model.estimate([0.3, -0.2]).members
    model.update_many(**{name: part[40:] for name, part in rounds.items()})
    after = model.estimate([0.3, -0.2]).members
    assert after[:, 2].tolist() == before[:, 2].tolist()
    assert (after[1:, :2] != before[1:, :2]).all()


def test_an_action_seldom_available_is_learned_as_fast_as_one_that_always_is():
    """After 20 rounds of its own among 400 its later policies expect what the first does."""
    model = CoverModel(LinearModel(2, 1, rate_moves=False), policies=3, psi=0.0)
    for turn in range(400):
        rare = turn % 20 == 0
        model.update([0.0], int(rare), float(rare), 1.0, 1.0, available=[True, rare])
    assert model.estimate([0.0]).members[:, 1] == pytest.approx([20 / 21] * 3, abs=0.1)


def test_all_available_at_no_offset_is_what_is_learned_where_neither_is_told():
    X, actions, rewards, _, chances = observations(22, 30)
    told, silent = CoverModel(LinearModel(3, 2)), CoverModel(LinearModel(3, 2))
    everywhere = np.ones((30, 3), dtype=bool)
    told.update_many(
        X, actions, rewards, None, chances, available=everywhere, offsets=np.zeros((30, 3))
    )
    silent.update_many(X, actions, rewards, None, chances)
    assert told.to_bytes() == silent.to_bytes()


def test_policies_choose_by_what_is_known_besides_and_are_paid_elsewhere():
    """Before anything is learned the offset alone decides: what it favours is paid little."""
    model = CoverModel(LinearModel(2, 0), policies=2, psi=0.3)
    model.first.updates = 99
    model.update([], 0, 0.0, offsets=[0.5, 0.0])
    least = 1 / math.sqrt(2 * 100)
    favoured, other = 0.3 * least / (least + 1 - 2 * least), 0.3
    # One observation and one of the prior's halve what is expected of each.
    assert model.estimate([]).members[1] == pytest.approx([favoured / 2, other / 2])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"available": [True, True]}, r"^/available: found bool of shape \(1, 2\)"),
        ({"available": [1.0, 1.0, 1.0]}, r"^/available: found float64"),
        ({"available": [True, False, True]}, r"^/available/0: 1 was taken and is not"),
        ({"offsets": [0.0, 1.0]}, r"^/offsets: found shape \(1, 2\); \(1, 3\) is expected"),
        ({"offsets": [0.0, math.nan, 1.0]}, r"^/offsets/0/1: found no finite number"),
    ],
)
def test_guardrails_and_worths_of_another_kind_are_refused(given, message):
    model = learned(23)
    before = model.to_bytes()
    with pytest.raises(InputError, match=message):
        model.update([0.0, 0.0], 1, 0.5, **given)
    assert model.to_bytes() == before
