"""Every estimator of slates against enumeration, and against what it supposes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.bandits.ope import EmpiricalBernstein, deal_folds, diagnose, verdict
from nba.bandits.ope.slates import (
    IIPS,
    RIPS,
    SIPS,
    CascadeDR,
    LoggedSlates,
    SlateTarget,
    cascade_model,
    diagnose_slates,
    evaluate_slates,
)
from nba.errors import EvaluationRefusedError, InputError

ESTIMATORS = [IIPS(), RIPS(), SIPS(), CascadeDR()]
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: each.name)
SLATES = list(itertools.permutations(range(3), 2))
POSITION_WEIGHTS = np.array([1.0, 0.5])


class World:
    """Two positions, three actions without repeats, drawn one after the other in proportion.

    ``reads`` says what the second reward depends on: "own" action, those "above", or "all" (and
    then the first reward depends on the second action too).
    """

    def __init__(self, seed, reads):
        rng = np.random.default_rng(seed)
        self.logging, self.target = rng.dirichlet([3, 3, 3]), rng.dirichlet([1, 1, 1]) + 0.05
        self.target /= self.target.sum()
        own, pairs = rng.random((2, 3)), rng.random((2, 3, 3))
        self.rewards = {
            slate: np.array(
                [
                    pairs[0][slate] if reads == "all" else own[0][slate[0]],
                    own[1][slate[1]] if reads == "own" else pairs[1][slate],
                ]
            )
            for slate in SLATES
        }

    @staticmethod
    def conditional(policy, slate):
        """Return how probable each action is, given those above it."""
        return np.array([policy[slate[0]], policy[slate[1]] / (1 - policy[slate[0]])])

    def chance(self, policy, slate):
        """Return how probable a slate is."""
        return self.conditional(policy, slate).prod()

    def marginal(self, policy, slate):
        """Return how probable each action is at its position, whatever is above."""
        return np.array(
            [
                sum(self.chance(policy, other) for other in SLATES if other[k] == slate[k])
                for k in range(2)
            ]
        )

    def from_here(self, slate, k):
        """Return what comes from position k on, the target choosing below it."""
        if k == 1:
            return 0.5 * self.rewards[slate][1]
        others = [one for one in SLATES if one[0] == slate[0]]
        return sum(
            self.conditional(self.target, one)[1] * (POSITION_WEIGHTS * self.rewards[one]).sum()
            for one in others
        )

    def planned(self, slate, k):
        """Return the same with the target choosing at position k."""
        if k == 0:
            return sum(self.target[one[0]] * self.from_here(one, 0) for one in self.firsts())
        others = [one for one in SLATES if one[0] == slate[0]]
        return sum(self.conditional(self.target, one)[1] * self.from_here(one, 1) for one in others)

    @staticmethod
    def firsts():
        """Return one slate for each first action."""
        return [next(one for one in SLATES if one[0] == action) for action in range(3)]

    def truth(self):
        """Return what the target earns."""
        return sum(
            self.chance(self.target, slate) * (POSITION_WEIGHTS * self.rewards[slate]).sum()
            for slate in SLATES
        )

    def all_slates(self, off=0.0):
        """Return one row for each slate, the target's view of it, and how often it is logged."""
        model = np.random.default_rng(9).normal(0, off, (2, len(SLATES), 2))
        sides = (self.logging, self.target)
        conditional = [np.array([self.conditional(p, s) for s in SLATES]) for p in sides]
        marginal = [np.array([self.marginal(p, s) for s in SLATES]) for p in sides]
        data = LoggedSlates(
            np.array([self.rewards[s] for s in SLATES]),
            conditional[0],
            marginal[0],
            POSITION_WEIGHTS,
        )
        target = SlateTarget(
            conditional[1],
            marginal[1],
            np.array([[self.from_here(s, k) for k in range(2)] for s in SLATES]) + model[0],
            np.array([[self.planned(s, k) for k in range(2)] for s in SLATES]) + model[1],
        )
        return data, target, np.array([self.chance(self.logging, s) for s in SLATES])


@settings(max_examples=20)
@given(
    st.integers(0, 10_000),
    st.sampled_from(
        [
            (IIPS(), "own"),
            (RIPS(), "own"),
            (RIPS(), "above"),
            (SIPS(), "own"),
            (SIPS(), "above"),
            (SIPS(), "all"),
            (CascadeDR(), "own"),
            (CascadeDR(), "above"),
        ]
    ),
)
def test_on_average_over_the_log_an_estimator_is_right_where_what_it_supposes_is_so(seed, case):
    estimator, reads = case
    world = World(seed, reads)
    data, target, logged = world.all_slates()
    rows = estimator.terms(data, target).values
    assert (logged * rows).sum() == pytest.approx(world.truth(), abs=1e-9)


def test_what_it_supposes_matters():
    world = World(3, "all")
    data, target, logged = world.all_slates()
    off = {
        one.name: abs((logged * one.terms(data, target).values).sum() - world.truth())
        for one in (IIPS(), RIPS(), SIPS())
    }
    assert off["SIPS"] < 1e-9
    assert min(off["IIPS"], off["RIPS"]) > 1e-3


def test_a_reward_model_that_is_right_leaves_no_noise_and_a_wrong_one_no_bias():
    world = World(4, "above")
    data, target, logged = world.all_slates()
    rows = CascadeDR().terms(data, target).values
    assert rows == pytest.approx(np.full(len(SLATES), world.truth()))
    # A model is consistent where q_target is the target's mean of q_logged; moving both alike is.
    moved = SlateTarget(target.conditional, None, target.q_logged + 0.3, target.q_target + 0.3)
    assert (logged * CascadeDR().terms(data, moved).values).sum() == pytest.approx(world.truth())


def test_without_a_model_cascade_dr_is_rips():
    data, target, _ = World(5, "above").all_slates()
    nothing = np.zeros((len(SLATES), 2))
    none = SlateTarget(target.conditional, None, nothing, nothing)
    found = CascadeDR().terms(data, none).values
    assert found == pytest.approx(RIPS().terms(data, target).values)


@every_estimator
def test_a_log_of_slates_gives_an_estimate_with_an_interval(estimator):
    world = World(6, "own")
    data, target, logged = world.all_slates(off=0.05 if estimator.name != "cascade DR" else 0.0)
    drawn = np.random.default_rng(7).choice(len(SLATES), size=6_000, p=logged)
    log = LoggedSlates(
        data.rewards[drawn],
        data.conditional[drawn],
        data.marginal[drawn],
        POSITION_WEIGHTS,
        np.arange(6_000) // 2,
    )
    seen = SlateTarget(*(getattr(target, name)[drawn] for name in target.__slots__))
    found = evaluate_slates(estimator, log, seen)
    assert found.value == pytest.approx(world.truth(), abs=5 * found.standard_error + 1e-9)
    assert found.low - 1e-9 <= world.truth() <= found.high + 1e-9
    measured = diagnose_slates(estimator, log, seen)
    assert measured.clusters == 3_000
    assert measured.effective_sample_size == found.effective_sample_size
    assert not verdict(measured).refused
    bounded = evaluate_slates(estimator, log, seen, interval=EmpiricalBernstein(-200.0, 200.0))
    assert bounded.low < found.low <= found.high < bounded.high


class Table:
    """The mean of all rows that are the same, of all rows where there was none such."""

    def fit(self, rows, values):
        """Learn."""
        self.mean, self.means = values.mean(), {}
        for row, value in zip(map(tuple, rows), values, strict=True):
            self.means.setdefault(row, []).append(value)

    def predict(self, rows):
        """Answer."""
        return np.array([np.mean(self.means.get(tuple(row), self.mean)) for row in rows])


def test_a_fitted_model_of_the_cascade_is_the_true_one_but_for_noise_and_takes_most_of_it_away():
    world = World(8, "above")
    data, target, logged = world.all_slates()
    drawn = np.random.default_rng(7).choice(len(SLATES), size=4_000, p=logged)
    noise = np.random.default_rng(8).normal(0, 0.1, (4_000, 2))
    log = LoggedSlates(data.rewards[drawn] + noise, data.conditional[drawn], None, POSITION_WEIGHTS)
    first = world.target
    second = [np.where(np.arange(3) == s[0], 0, first) / (1 - first[s[0]]) for s in SLATES]
    fitted = cascade_model(
        Table(),
        log,
        SlateTarget(target.conditional[drawn]),
        actions=np.array(SLATES)[drawn],
        distributions=np.array([[first, one] for one in second])[drawn],
        situations=np.empty((4_000, 0)),
        folds=deal_folds(4_000, count=2),
    )
    assert fitted.q_logged == pytest.approx(target.q_logged[drawn], abs=0.05)
    assert fitted.q_target == pytest.approx(target.q_target[drawn], abs=0.05)
    with_model = evaluate_slates(CascadeDR(), log, fitted)
    without = evaluate_slates(RIPS(), log, fitted)
    assert with_model.standard_error < 0.4 * without.standard_error
    assert abs(with_model.value - world.truth()) < 4 * with_model.standard_error


def test_a_model_of_the_cascade_stops_where_a_slate_does():
    data = LoggedSlates(
        np.array([[1.0, 2.0], [1.0, np.nan], [1.0, 2.0], [1.0, np.nan]]), np.full((4, 2), 0.5)
    )
    fitted = cascade_model(
        Table(),
        data,
        SlateTarget(np.full((4, 2), 0.5)),
        actions=np.array([[0, 1], [1, 9], [0, 1], [1, 9]]),
        distributions=np.full((4, 2, 2), 0.5),
        situations=np.empty((4, 0)),
        folds=np.array([0, 0, 1, 1]),
    )
    assert fitted.q_logged.tolist() == [[3.0, 2.0], [1.0, 0.0]] * 2
    assert fitted.q_target.tolist() == [[2.0, 2.0], [2.0, 0.0]] * 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"actions": np.array([[0, 2]] * 2)}, "/actions/0/1: 2 are wrong, the first is 2.0; an in"),
        ({"actions": [[0, 1], [0, 0.5]]}, "/actions/1/1: 1 are wrong, the first is 0.5; an index"),
        ({"actions": np.zeros(2, dtype=int)}, r"/actions: found shape \(2,\)"),
        ({"distributions": np.ones((2, 2))}, r"/distributions: found shape \(2, 2\)"),
        (
            {"distributions": np.full((2, 2, 2), 0.4)},
            "/distributions/0/0: 4 are wrong, the first is 0.8",
        ),
        (
            {"distributions": [[[0.5, 0.5], [1.5, -0.5]], [[0.5, 0.5], [0.5, 0.5]]]},
            "/distributions/0/1/1: 1 are wrong, the first is -0.5; a number from 0 to 1",
        ),
        ({"situations": np.ones(2)}, "/situations"),
        ({"folds": np.zeros(2)}, "fold 0 has no other rows with a position 1"),
    ],
)
def test_a_model_of_the_cascade_needs_all_it_reads(changed, message):
    data = LoggedSlates(np.ones((2, 2)), np.full((2, 2), 0.5))
    fields = {
        "actions": np.zeros((2, 2), dtype=int),
        "distributions": np.full((2, 2, 2), 0.5),
        "situations": np.ones((2, 1)),
        "folds": np.arange(2),
        **changed,
    }
    with pytest.raises(InputError, match=message):
        cascade_model(Table(), data, SlateTarget(np.full((2, 2), 0.5)), **fields)


def test_positions_left_empty_earn_nothing_and_weigh_nothing():
    empty = np.nan
    data = LoggedSlates(
        np.array([[1.0, 2.0], [3.0, empty]]),
        np.array([[0.5, 0.5], [0.5, empty]]),
        np.array([[0.5, 0.5], [0.5, empty]]),
    )
    target = SlateTarget(
        np.array([[0.25, 1.0], [1.0, empty]]),
        np.array([[0.25, 1.0], [1.0, empty]]),
        np.array([[1.0, 1.0], [1.0, empty]]),
        np.array([[1.0, 1.0], [1.0, empty]]),
    )
    assert SIPS().terms(data, target).values.tolist() == [3.0, 6.0]
    assert RIPS().terms(data, target).values.tolist() == [0.5 + 2.0, 6.0]
    assert IIPS().terms(data, target).values.tolist() == [0.5 + 4.0, 6.0]
    # 1 + .5 (1 - 1) + .5 · 1 + 1 · (2 - 1), and 1 + 2 (3 - 1)
    assert CascadeDR().terms(data, target).values.tolist() == [2.5, 5.0]


def test_one_position_is_a_plain_choice():
    rewards, logged = np.array([[1.0], [0.0], [4.0]]), np.array([[0.5], [0.5], [0.25]])
    data = LoggedSlates(rewards, logged, logged)
    target = SlateTarget(np.array([[1.0], [0.5], [0.0]]), np.array([[1.0], [0.5], [0.0]]))
    for estimator in (IIPS(), RIPS(), SIPS()):
        assert estimator.terms(data, target).values.tolist() == [2.0, 0.0, 0.0]
    from nba.bandits.ope import LoggedData, Target

    plain = diagnose(
        LoggedData(np.zeros(3, dtype=int), rewards[:, 0], logged[:, 0]),
        Target(target.conditional[:, 0]),
    )
    found = diagnose_slates(SIPS(), data, target)
    assert found.effective_sample_size == plain.effective_sample_size


ONE = np.array([[0.5, 0.5]])


@pytest.mark.parametrize(
    ("given_", "error", "message"),
    [
        ({"rewards": np.ones(3)}, InputError, r"/rewards: found shape \(3,\)"),
        ({"rewards": [[np.nan, 1.0]]}, InputError, "slates have no first position"),
        ({"rewards": [[1.0, np.inf]]}, InputError, "an infinite reward"),
        ({"conditional": [[0.5]]}, InputError, r"/conditional: found shape \(1, 1\)"),
        ({"conditional": [[0.5, 0.0]]}, EvaluationRefusedError, "1 of 2 are missing, not above 0"),
        ({"conditional": [[0.5, np.nan]]}, EvaluationRefusedError, "first at slate 0 position 1"),
        ({"marginal": [[0.5, 1.5]]}, EvaluationRefusedError, "the logged marginal probabilities"),
        ({"position_weights": [1.0]}, InputError, "/position_weights"),
        ({"clusters": [1, 2]}, InputError, "/clusters"),
        ({"clusters": [None]}, InputError, "/clusters/0: 1 of 1 rows have none"),
        ({"rewards": [["a", "b"]]}, InputError, "/rewards: not all are numbers"),
    ],
)
def test_slates_that_cannot_be_read_are_refused_by_their_place(given_, error, message):
    fields = {"rewards": ONE, "conditional": ONE, **given_}
    with pytest.raises(error, match=message):
        LoggedSlates(**fields)


def test_a_gap_in_a_slate_is_refused():
    rewards = np.array([[1.0, 1.0, 1.0], [1.0, np.nan, 1.0]])
    with pytest.raises(InputError, match="/rewards/1: 1 of 2 slates have a gap"):
        LoggedSlates(rewards, np.full((2, 3), 0.5))


def test_a_target_that_does_not_say_enough_is_refused():
    data = LoggedSlates(ONE, ONE)
    with pytest.raises(InputError, match="the log has no marginal probabilities; IIPS needs them"):
        IIPS().terms(data, SlateTarget(ONE, ONE))
    with pytest.raises(InputError, match="it has no reward model"):
        CascadeDR().terms(data, SlateTarget(ONE))
    with pytest.raises(InputError, match="/target/q_logged/0/1: 1 are wrong, the first is nan"):
        CascadeDR().terms(data, SlateTarget(ONE, None, np.array([[1.0, np.nan]]), ONE))
    with pytest.raises(
        InputError, match=r"/target/conditional/0/0: 1 are wrong, the first is 1\.5"
    ):
        RIPS().terms(data, SlateTarget(np.array([[1.5, 1.0]])))
