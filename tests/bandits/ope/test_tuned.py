"""Bounds on weights chosen by the data."""

import numpy as np
import pytest

from nba.bandits.ope import (
    DM,
    DR,
    IPS,
    LoggedData,
    Target,
    evaluate,
    tuned_clipped_ips,
    tuned_dr_os,
    tuned_switch_dr,
)

EVERY = [tuned_clipped_ips, tuned_switch_dr, tuned_dr_os]


def logged(seed, n=2_000, q=(0.2, 0.3, 0.4)):
    """Draw from three actions with floors of .02; the target is uniform, worth .3."""
    rng = np.random.default_rng(seed)
    best = rng.integers(0, 3, n)
    logging = np.where(np.arange(3) == best[:, None], 0.96, 0.02)
    actions = (rng.random(n)[:, None] > logging.cumsum(axis=1)).sum(axis=1)
    rewards = (rng.random(n) < np.array([0.2, 0.3, 0.4])[actions]).astype(float)
    data = LoggedData(actions, rewards, logging[np.arange(n), actions])
    return data, Target.from_distribution(actions, np.full((1, 3), 1 / 3), [list(q)])


@pytest.mark.parametrize("build", EVERY, ids=lambda each: each.__name__)
def test_the_chosen_bound_is_one_of_those_tried_and_its_estimate_is_given(build):
    data, target = logged(1)
    tuned = build()
    choice = tuned.choose(data, target)
    assert evaluate(tuned, data, target).value == choice.values[choice.chosen]
    assert len(choice.values) >= 21
    assert choice.values[0] == pytest.approx(
        evaluate(IPS() if build is tuned_clipped_ips else DR(), data, target).value
    )
    if build is not tuned_clipped_ips:
        assert choice.values[-1] == pytest.approx(evaluate(DM(), data, target).value)


def off(build, unbiased, q):
    """Return the root mean squared errors over 60 logs, tuned and not."""
    errors = []
    for seed in range(60):
        log = logged(seed, n=600, q=q)
        errors.append([one.terms(*log).value - 0.3 for one in (build(), unbiased)])
    return np.sqrt(np.square(errors).mean(axis=0))


@pytest.mark.parametrize("build", [tuned_switch_dr, tuned_dr_os], ids=lambda each: each.__name__)
def test_tuning_gains_where_the_reward_model_is_good_and_loses_little_where_not(build):
    tuned, unbiased = off(build, DR(), (0.25, 0.3, 0.35))
    assert tuned < 0.85 * unbiased
    tuned, unbiased = off(build, DR(), (0.1, 0.1, 0.1))
    assert tuned < 1.6 * unbiased


def test_tuning_a_clip_loses_little_where_any_clip_is_wrong():
    tuned, unbiased = off(tuned_clipped_ips, IPS(), (0.3, 0.3, 0.3))
    assert tuned < 1.6 * unbiased


def test_given_bounds_are_those_tried():
    data, target = logged(2)
    choice = tuned_switch_dr([1.0, 5.0, np.inf]).choose(data, target)
    assert len(choice.values) == 3
    assert choice.values[0] == pytest.approx(evaluate(DR(), data, target).value)


def test_without_any_weight_nothing_is_tuned():
    data, _ = logged(3, n=50)
    choice = tuned_clipped_ips().choose(data, Target(np.zeros(50)))
    assert choice.values == (0.0,)
