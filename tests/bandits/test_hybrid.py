"""The default learner: exact at the prior, exact in its bytes, quick to give up what is wrong."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from nba.bandits import BanditSettings, HybridLearner, OnlineLogistic
from nba.bandits.change import SHRUNK_TO
from nba.bandits.hybrid import KEPT_AT_CHANGE, LEAST_REFIT, LEAST_ROWS
from nba.bandits.trees import CorrectionForest
from nba.errors import ConflictError, CorruptRecordError, InputError
from nba.training.corrections import fit_correction

SETTINGS = BanditSettings(features=("age", "spend"), forest_outcomes=1)


def leaf(value):
    """Return a forest that corrects by the same wherever it is."""
    return CorrectionForest([0, 0], [], [], [], [], [], [0, 1], [value])


def encoded(**forests):
    return msgspec.msgpack.encode(forests)


def fit_mean(rows):
    """Fit how far labels lie from one half on average: a forest that is made in no time."""
    return leaf(float(rows.labels.mean() - 0.5))


def stream(n, seed=1):
    """Return actions, model logits, features and labels of n observations."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 2))
    z[rng.random(z.shape) < 0.1] = np.nan
    m = rng.normal(-1.0, 1.0, n)
    agree = np.nan_to_num(z[:, 0]) * np.nan_to_num(z[:, 1]) > 0.0
    labels = (rng.random(n) < np.where(agree, 0.8, 0.2)).astype(float)
    return [f"offer{number % 3}" for number in range(n)], m, z, labels


def taught(learner, rows, *, refits=True):
    for action, m, z, label in zip(*rows, strict=True):
        learner.update(action, m, z, label)
        if refits:
            learner.refit_if_due()
    return learner


def part(rows, where):
    return tuple(column[where] for column in rows)


def logits(learner, actions=("offer0", "offer1", "never")):
    bound = learner.bind(actions)
    return np.array([bound.logits(np.full(len(actions), -1.5), z) for z in ([0.5, 2.0], [-1, 1])])


def test_at_the_prior_the_score_is_the_propensity_models_to_the_last_bit():
    given = np.array([-3.7, 0.1, 12.0])
    bound = HybridLearner(SETTINGS, fit_correction).bind(["a", "b", "c"])
    assert bound.logits(given, [5.0, np.nan]).tolist() == given.tolist()


def test_an_action_never_seen_stays_there_while_others_learn():
    learner = taught(HybridLearner(SETTINGS, fit_correction), stream(120))
    assert learner.forests
    assert logits(learner)[:, 2].tolist() == [-1.5, -1.5]


def test_without_a_fitter_it_is_the_online_learner():
    settings = replace(SETTINGS, change_threshold=None)
    rows = stream(300)
    learner, online = HybridLearner(settings), OnlineLogistic(settings)
    taught(learner, rows)
    online.update_many(*rows)
    assert learner.online.to_bytes() == online.to_bytes()
    assert np.array_equal(
        learner.bind(["offer0"]).logits(np.zeros(1), [1.0, 1.0]),
        online.bind(["offer0"]).logits(np.zeros(1), [1.0, 1.0]),
    )
    assert not learner.forests


def test_a_forest_is_believed_as_far_as_the_stacker_says():
    learner = HybridLearner(SETTINGS, fit_mean)
    learner.take_forests(encoded(offer0=leaf(2.0).to_parts()))
    assert logits(learner, ("offer0", "offer1"))[0] == pytest.approx([-1.5 + 0.7 * 2.0, -1.5])


def counting():
    """Return a fitter, and the list of how many rows it was given each time."""
    fits = []

    def fit(rows):
        fits.append(len(rows))
        return fit_mean(rows)

    return fit, fits


def test_refits_come_at_a_first_number_and_then_by_growth():
    """One of the three actions with each observation from there on."""
    fit, fits = counting()
    learner = HybridLearner(SETTINGS, fit)
    refits = []
    for number, row in enumerate(zip(*stream(400), strict=True), start=1):
        learner.update(*row)
        if learner.refit_if_due():
            refits.append(number)
    rounds = [LEAST_REFIT, 84, 118, 166, 233, 327]
    assert refits == [number + after for number in rounds for after in range(3)]
    assert learner.refits == len(fits) == len(refits)


def test_what_was_learned_without_refits_is_fitted_at_once():
    """As when a state is taught again from the log."""
    fit, fits = counting()
    learner = taught(HybridLearner(SETTINGS, fit), stream(300), refits=False)
    assert learner.refit_if_due()
    assert fits == [100, 100, 100]
    assert not learner.refit_due


def test_refits_asked_for_again_and_again_come_to_an_end():
    learner = taught(HybridLearner(SETTINGS, fit_mean), stream(84))
    asked = 0
    while learner.refit_due:
        learner.refit()
        asked += 1
    assert asked == 2


def test_what_is_remembered_counts_where_no_forest_was_wanted_before():
    without = taught(HybridLearner(replace(SETTINGS, forests=False)), stream(150))
    again = HybridLearner.from_bytes(without.to_bytes(), SETTINGS, fit_mean)
    again.remember(taught(HybridLearner(SETTINGS, fit_mean), stream(150), refits=False))
    again.refit()
    assert set(again.forests) == {"offer0", "offer1", "offer2"}


def test_a_refit_before_any_is_due_fits_all():
    fit, fits = counting()
    learner = taught(HybridLearner(SETTINGS, fit), stream(300), refits=False)
    learner.refit()
    taught(learner, stream(45, seed=2), refits=False)
    assert not learner.refit_due
    learner.refit()
    assert fits == [100, 100, 100, 115, 115, 115]


def test_an_action_of_which_little_was_observed_is_not_fitted_again():
    """Of 60 and 60 observations two more are not worth a fit, 50 more are."""
    fit, fits = counting()
    learner = HybridLearner(SETTINGS, fit)
    for number in range(120):
        learner.update(f"offer{number % 2}", 0.0, [1.0, 2.0], number // 2 % 2)
    learner.refit_if_due()
    assert fits == [60, 60]
    for number in range(60):
        action = "offer1" if number in {0, 30} else "offer0"
        learner.update(action, 0.0, [1.0, 2.0], number % 2)
    assert learner.refit_if_due()
    assert fits == [60, 60, 118]


def test_it_comes_back_from_its_bytes_amid_a_round_of_refits():
    rows = stream(400)
    whole = taught(HybridLearner(SETTINGS, fit_mean), part(rows, slice(0, 84)))
    assert whole.refit_due
    again = HybridLearner.from_bytes(whole.to_bytes(), fitter=fit_mean)
    for learner in (whole, again):
        taught(learner, part(rows, slice(84, 400)))
    assert again.to_bytes() == whole.to_bytes()


def test_many_actions_wait_for_more_observations():
    learner = HybridLearner(SETTINGS, fit_mean)
    for number in range(149):
        learner.update(f"offer{number % 10}", 0.0, [1.0, 2.0], number % 2)
        assert not learner.refit_if_due()
    learner.update("offer0", 0.0, [1.0, 2.0], 1.0)
    assert learner.refit_if_due()


def test_an_action_with_few_rows_or_one_outcome_alone_has_no_forest():
    learner = HybridLearner(SETTINGS, fit_mean)
    for number in range(LEAST_ROWS - 1):
        learner.update("few", 0.0, [1.0, 2.0], number % 2)
    for number in range(60):
        learner.update("enough", 0.0, [1.0, 2.0], number % 2)
        learner.update("always", 0.0, [1.0, 2.0], 1.0)
    assert learner.refit_if_due()
    assert list(learner.forests) == ["enough"]


def test_forests_are_fitted_to_logits_from_before_the_label_was_learned():
    seen = []

    def keep(rows):
        seen.append(rows)
        return fit_mean(rows)

    learner, online = HybridLearner(SETTINGS, keep), OnlineLogistic(SETTINGS)
    offsets = []
    for action, m, z, label in zip(*stream(60), strict=True):
        before = online.bind([action]).logits(np.array([m]), z)[0]
        if action == "offer0":
            offsets.append(before)
        learner.update(action, m, z, label)
        online.update(action, m, z, label)
    learner.refit_if_due()
    assert seen[0].offsets == pytest.approx(np.array(offsets), abs=1e-12)


def test_what_was_bound_does_not_change_with_later_updates():
    learner = taught(HybridLearner(SETTINGS, fit_mean), stream(150))
    bound = learner.bind(["offer0", "offer1"])
    before = bound.logits(np.zeros(2), [1.0, 1.0])
    taught(learner, stream(100, seed=2))
    assert np.array_equal(bound.logits(np.zeros(2), [1.0, 1.0]), before)


def test_a_bound_copy_brought_up_to_date_equals_a_fresh_one():
    learner = taught(HybridLearner(SETTINGS, fit_mean), stream(150))
    bound = learner.bind(["offer0", "offer1"])
    for row in zip(*stream(30, seed=2), strict=True):
        learner.update(*row)
        if row[0] != "offer2":
            learner.rebind(bound, int(row[0][-1]), row[0])
            fresh = learner.bind(["offer0", "offer1"])
            live = bound.estimate(np.zeros(2), [1.0, np.nan])
            for ours, theirs in zip(live, fresh.estimate(np.zeros(2), [1.0, np.nan]), strict=True):
                assert np.array_equal(ours, theirs)


def test_the_same_observations_give_the_same_bytes():
    rows = stream(120)
    one = taught(HybridLearner(SETTINGS, fit_correction), rows)
    two = taught(HybridLearner(SETTINGS, fit_correction), rows)
    assert one.forests
    assert one.to_bytes() == two.to_bytes()


def test_it_comes_back_from_its_bytes_and_learns_on_as_if_nothing_had_been():
    rows = stream(700)
    whole = taught(HybridLearner(SETTINGS, fit_mean), part(rows, slice(0, 600)))
    again = HybridLearner.from_bytes(whole.to_bytes(), fitter=fit_mean)
    assert again.to_bytes() == whole.to_bytes()
    for learner in (whole, again):
        taught(learner, part(rows, slice(600, 700)))
    assert again.to_bytes() == whole.to_bytes()
    assert np.array_equal(logits(again), logits(whole))


def test_without_memory_it_decides_the_same_from_fewer_bytes():
    learner = taught(HybridLearner(SETTINGS, fit_mean), stream(400))
    small = learner.to_bytes(memory=False)
    again = HybridLearner.from_bytes(small, fitter=fit_mean)
    assert len(small) < len(learner.to_bytes()) / 2
    assert np.array_equal(logits(again), logits(learner))
    again.remember(learner)
    assert again.to_bytes() == learner.to_bytes()


def test_forests_can_be_kept_apart():
    """What decides is whole again once they are back, taken over or shared."""
    learner = taught(HybridLearner(SETTINGS, fit_mean), stream(200))
    rest = learner.to_bytes(forests=False, memory=False)
    taken, shared = HybridLearner.from_bytes(rest), HybridLearner.from_bytes(rest)
    assert not taken.forests
    taken.take_forests(learner.forests_to_bytes())
    shared.share_forests(learner)
    for again in (taken, shared):
        assert np.array_equal(logits(again), logits(learner))
        assert again.refits == learner.refits == 12
        assert again.to_bytes(memory=False) == learner.to_bytes(memory=False)


def test_actions_that_are_reset_are_as_never_seen():
    learner = taught(HybridLearner(SETTINGS, fit_mean), stream(200))
    before = logits(learner)
    learner.reset(["offer0", "never"])
    after = logits(learner)
    assert after[:, 0].tolist() == [-1.5, -1.5]
    assert np.array_equal(after[:, 1], before[:, 1])
    assert set(learner.forests) == {"offer1", "offer2"}
    assert len(learner._memory.of("offer0")) == 0


def test_settings_without_forests_have_none():
    settings = replace(SETTINGS, forests=False)
    learner = taught(HybridLearner(settings, fit_mean), stream(200))
    assert (dict(learner.forests), learner.refits) == ({}, 0)


def test_a_state_of_the_online_learner_alone_is_read_and_learned_on_from():
    online = OnlineLogistic(SETTINGS)
    online.update_many(*stream(50))
    learner = HybridLearner.from_bytes(online.to_bytes(), SETTINGS, fit_mean)
    assert learner.online.to_bytes() == online.to_bytes()
    assert learner.updates == 50
    taught(learner, stream(100, seed=2))
    assert set(learner.forests) == {"offer0", "offer1", "offer2"}


def test_a_state_learned_on_other_features_is_refused():
    data = HybridLearner(SETTINGS).to_bytes()
    with pytest.raises(ConflictError, match="age"):
        HybridLearner.from_bytes(data, BanditSettings(features=("age",)))


def changed(data, **fields):
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(data), **fields})


FAR = CorrectionForest([0, 1], [3], [0.0], [True], [~0], [~1], [0, 2], [1.0, 2.0]).to_parts()


@pytest.mark.parametrize(
    ("break_", "message"),
    [
        (lambda _: b"", "cannot be read"),
        (lambda data: data[:-3], "cannot be read"),
        (lambda _: msgspec.msgpack.encode([1]), "not of format 2"),
        (lambda data: changed(data, format=1), "not of format 2"),
        (lambda data: changed(data, online=b"1"), "format None"),
        (lambda data: changed(data, extra=1), "cannot be read"),
        (lambda data: changed(data, stacker=[b"1", b"2"]), "stacker"),
        (lambda data: changed(data, detector=[b"1", 0, 0]), "change detector"),
        (lambda data: changed(data, memory={"a": b"1"}), "not 6 wide"),
        (lambda data: changed(data, forests=encoded(a=[b"1"] * 8)), "correction forest"),
        (lambda data: changed(data, forests=encoded(a=FAR)), "'a' asks for more than 3 inputs"),
    ],
)
def test_bytes_that_are_not_a_state_are_refused(break_, message):
    data = taught(HybridLearner(SETTINGS, fit_mean), stream(70)).to_bytes()
    with pytest.raises(CorruptRecordError, match=message):
        HybridLearner.from_bytes(break_(data))


@pytest.mark.parametrize(
    ("m", "z", "label", "weight"),
    [
        (np.nan, [0.0, 0.0], 1.0, 1.0),
        (0.0, [0.0], 1.0, 1.0),
        (0.0, [0.0, np.inf], 1.0, 1.0),
        (0.0, [0.0, 0.0], np.nan, 1.0),
        (0.0, [0.0, 0.0], 1e9, 1.0),
        (0.0, [0.0, 0.0], -0.1, 1.0),
        (0.0, [0.0, 0.0], 1.0, 0.0),
        (0.0, [0.0, 0.0], 1.0, 1e9),
    ],
)
def test_what_cannot_be_learned_is_refused_and_nothing_learned(m, z, label, weight):
    learner = taught(HybridLearner(SETTINGS, fit_mean), stream(70))
    before = learner.to_bytes()
    with pytest.raises(InputError):
        learner.update("offer0", m, z, label, weight)
    assert learner.to_bytes() == before


def test_forgetting_leaves_a_part_of_what_was_learned_and_the_latest_observations():
    learner = taught(HybridLearner(SETTINGS, fit_mean), stream(300))
    mean, covariance = learner.online._mean[:3].copy(), learner.online._covariance[:3].copy()
    learner.forget()
    prior_mean = np.array([0.0, 1.0, 0.0, 0.0])
    prior = np.diag([1.0, 1.0 / 20.0, 2.5, 2.5])
    expected = prior_mean + SHRUNK_TO * (mean - prior_mean)
    assert learner.online._mean[:3] == pytest.approx(expected, abs=1e-15)
    assert learner.online._covariance[:3] == pytest.approx((covariance + prior) / 2, abs=1e-15)
    assert not learner.forests
    assert learner.stacker.weights.tolist() == [0.0, 1.0, 0.7]
    kept = [len(learner._memory.of(f"offer{index}")) for index in range(3)]
    assert sum(kept) == KEPT_AT_CHANGE
    assert max(kept) - min(kept) <= 1


def test_after_forgetting_a_refit_comes_as_at_the_start():
    learner = taught(HybridLearner(SETTINGS, fit_mean), stream(300))
    learner.forget()
    refits = []
    for number, row in enumerate(zip(*stream(100, seed=2), strict=True), start=1):
        learner.update(*row)
        if learner.refit_if_due():
            refits.append(number)
    assert refits == [LEAST_REFIT, 61, 62, 84, 85, 86]


def test_a_change_of_the_world_is_noticed_and_followed():
    """What succeeded nine times in ten fails as often after 1,000 observations."""
    rng = np.random.default_rng(6)
    rate = np.where(np.arange(1_300) < 1_000, 0.9, 0.1)
    labels = (rng.random(1_300) < rate).astype(float)
    watching = HybridLearner(BanditSettings(forest_outcomes=1), fit_mean)
    blind = HybridLearner(BanditSettings(forgetting=1.0, change_threshold=None))
    for learner in (watching, blind):
        for label in labels:
            learner.update("offer", 0.0, [], label)
            learner.refit_if_due()
    seen, unseen = (
        float(learner.bind(["offer"]).logits(np.zeros(1), [])[0]) for learner in (watching, blind)
    )
    assert (watching.alarms, blind.alarms) == (1, 0)
    assert seen < -1.0 < 0.0 < unseen
