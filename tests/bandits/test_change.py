"""The detector raises the alarm when expectations fail, and not otherwise."""

import numpy as np
import pytest

from nba.bandits.change import BEFORE, RECENT, ChangeDetector, _excess
from nba.errors import CorruptRecordError


def alarms(detector, chances, labels):
    """Return when the alarm was raised."""
    return [
        round_
        for round_, (chance, label) in enumerate(zip(chances, labels, strict=True))
        if detector.observe(chance, label)
    ]


def drawn(seed, chances):
    return (np.random.default_rng(seed).random(len(chances)) < chances).astype(float)


def test_the_excess_is_that_of_welch():
    in_order = np.random.default_rng(3).exponential(size=RECENT + BEFORE)
    before, recent = in_order[:BEFORE], in_order[BEFORE:]
    recent += 0.5
    seen = 1_234
    errors = np.roll(in_order, seen % len(in_order))
    expected = (recent.mean() - before.mean()) / np.sqrt(
        recent.var() / RECENT + before.var() / BEFORE
    )
    assert _excess(errors, seen) == pytest.approx(expected, rel=1e-12)


def test_errors_that_do_not_vary_are_no_change():
    assert _excess(np.ones(RECENT + BEFORE), 500) == 0.0


@pytest.mark.parametrize(("excess", "told"), [(0.19, False), (0.21, True)])
def test_an_excess_below_a_fifth_is_none_however_little_errors_vary(excess, told):
    errors = 1.0 + 1e-3 * np.sin(np.arange(RECENT + BEFORE))
    errors[BEFORE:] += excess
    assert (_excess(errors, RECENT + BEFORE) > 4.0) is told


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.9])
def test_it_stays_quiet_where_expectations_hold(rate):
    """Ten steady runs of 5,000 observations each, of chances around the rate."""
    raised = []
    for seed in range(10):
        spread = np.random.default_rng(100 + seed).uniform(0.5, 1.1, 5_000)
        chances = rate * spread
        raised += alarms(ChangeDetector(), chances, drawn(seed, chances))
    assert raised == []


def test_twenty_certainties_that_fail_are_a_change():
    """Errors of 99, 49, 24 and 9 are so spread that, whole, they are 3.8 standard errors at most.

    The learner follows, so that after them all is as expected again.
    """
    chances, labels = np.full(620, 0.5), np.arange(620) % 2.0
    chances[500:520], labels[500:520] = np.tile([0.99, 0.98, 0.96, 0.9], 5), 0.0
    (raised,) = alarms(ChangeDetector(), chances, labels)
    assert 500 < raised < 520


@pytest.mark.parametrize("seed", range(5))
def test_it_notices_soon_when_what_was_near_certain_fails(seed):
    believed = np.full(2_000, 0.9)
    real = np.where(np.arange(2_000) < 1_000, 0.9, 0.1)
    raised = alarms(ChangeDetector(), believed, drawn(seed, real))
    assert 1_000 <= raised[0] < 1_000 + RECENT


def test_one_surprise_alone_is_no_change():
    """However unlikely: a success of what was thought impossible, after 1,000 failures."""
    labels = np.zeros(1_100)
    labels[1_000] = 1.0
    assert alarms(ChangeDetector(), np.full(1_100, 1e-9), labels) == []


def test_nothing_is_compared_until_enough_was_seen():
    assert alarms(ChangeDetector(1e-9), np.full(499, 0.5), drawn(1, np.full(499, 0.5))) == []


def test_after_an_alarm_as_many_must_come_again():
    detector = ChangeDetector()
    believed, real = np.full(3_000, 0.9), np.full(3_000, 0.9)
    real[600:] = 0.1
    raised = alarms(detector, believed, drawn(0, real))
    assert len(raised) == detector.alarms == 1
    assert detector.seen == 3_000 - raised[0] - 1


def test_without_a_threshold_it_never_alarms():
    labels = np.repeat([0.0, 1.0], 1_000)
    assert alarms(ChangeDetector(None), np.full(2_000, 0.01), labels) == []


def test_what_was_noted_comes_back():
    chances = np.full(700, 0.4)
    labels = drawn(8, chances)
    one = ChangeDetector()
    alarms(one, chances[:600], labels[:600])
    two = ChangeDetector()
    two.restore(one.errors.tobytes(), one.seen, one.alarms)
    for chance, label in zip(chances[600:], labels[600:], strict=True):
        assert one.observe(chance, label) == two.observe(chance, label)
    assert np.array_equal(one.errors, two.errors)


@pytest.mark.parametrize(("errors", "seen"), [(b"1234", 0), (bytes(4_000), -1)])
def test_what_cannot_have_been_noted_is_refused(errors, seen):
    with pytest.raises(CorruptRecordError, match="4000 bytes of errors"):
        ChangeDetector().restore(errors, seen, 0)
