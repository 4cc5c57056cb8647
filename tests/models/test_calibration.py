"""Logistic calibration: the optimum, its degenerate cases, and that it keeps every order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from nba.errors import EvaluationRefusedError
from nba.models import Calibration, fit_logistic
from nba.models.calibration import MIN_SLOPE


def sigmoid(logits):
    return 1.0 / (1.0 + np.exp(-logits))


def reference(logits, labels, weights):
    """Platt's objective, minimized by a general optimizer."""
    positive, negative = weights[labels == 1].sum(), weights[labels == 0].sum()
    targets = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(line):
        calibrated = line[0] * logits + line[1]
        return np.sum(weights * (np.logaddexp(0, calibrated) - targets * calibrated))

    return minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_fit_is_the_optimum_of_platts_objective(seed, weighted):
    rng = np.random.default_rng(seed)
    logits = rng.normal(-4, 3, 800)
    labels = (rng.random(800) < sigmoid(0.6 * logits + 1.0)).astype(float)
    weights = rng.uniform(0.1, 5, 800) if weighted else np.ones(800)
    fitted = fit_logistic(logits, labels, weights if weighted else None)
    best = reference(logits, labels, weights)
    assert (fitted.slope, fitted.intercept) == pytest.approx(tuple(best.x), abs=1e-5)


def test_the_line_that_made_the_labels_is_found_again():
    rng = np.random.default_rng(5)
    logits = rng.normal(-3, 2, 200_000)
    labels = rng.random(200_000) < sigmoid(0.5 * logits + 0.75)
    fitted = fit_logistic(logits, labels)
    assert (fitted.slope, fitted.intercept) == pytest.approx((0.5, 0.75), abs=0.02)


def test_two_rows_by_hand():
    # Targets are 2/3 at score 1 and 1/3 at score -1: the line through both log odds, ±log 2.
    fitted = fit_logistic([1.0, -1.0], [1, 0])
    assert (fitted.slope, fitted.intercept) == pytest.approx((np.log(2.0), 0.0))


@pytest.mark.parametrize(("label", "rate"), [(1, 5 / 6), (0, 1 / 6)])
def test_one_class_only_keeps_the_slope_and_matches_the_smoothed_rate(label, rate):
    logits = np.array([-3.0, -1.0, 0.5, 2.0])
    fitted = fit_logistic(logits, [label] * 4)
    assert fitted.slope == 1.0
    assert sigmoid(fitted.apply(logits)).mean() == pytest.approx(rate)


def test_one_score_only_keeps_the_slope_and_matches_the_smoothed_rate():
    fitted = fit_logistic([2.0] * 8, [1, 0, 0, 0, 0, 0, 0, 0])
    assert fitted.slope == 1.0
    assert sigmoid(fitted.apply(np.array([2.0]))) == pytest.approx([2 / 10])


def test_scores_that_rank_worse_than_chance_are_flattened_not_turned_around():
    logits = np.linspace(-2, 2, 100)
    fitted = fit_logistic(logits, (logits < 0).astype(int))
    assert fitted.slope == MIN_SLOPE
    assert sigmoid(fitted.apply(logits)).mean() == pytest.approx(0.5, abs=1e-6)


def test_a_row_of_weight_two_counts_as_two_rows():
    logits, labels = np.array([-1.0, 0.0, 1.0, 2.0]), np.array([0, 1, 0, 1])
    doubled = fit_logistic(logits, labels, [1, 1, 1, 2])
    repeated = fit_logistic([*logits, 2.0], [*labels, 1])
    assert doubled.slope == pytest.approx(repeated.slope)
    assert doubled.intercept == pytest.approx(repeated.intercept)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-50, 50, width=32), st.integers(0, 1), st.floats(0.01, 100)),
        min_size=1,
        max_size=30,
    )
)
def test_any_usable_rows_give_a_rising_line(rows):
    logits, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    fitted = fit_logistic(logits, labels, weights)
    assert fitted.slope > 0.0
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    ordered = np.array([-30.0, -1.0, 0.0, 1.0, 30.0])
    assert (np.diff(fitted.apply(ordered)) > 0.0).all()


@pytest.mark.parametrize(
    ("logits", "labels", "weights"),
    [
        ([], [], None),
        ([0.0], [1, 0], None),
        ([[0.0]], [[1]], None),
        ([np.nan], [1], None),
        ([0.0], [0.5], None),
        ([0.0], [1], [0.0]),
        ([0.0, 1.0], [1, 0], [1.0, -1.0]),
        ([0.0], [1], [np.inf]),
    ],
)
def test_rows_that_cannot_carry_a_calibration_are_refused(logits, labels, weights):
    with pytest.raises(EvaluationRefusedError):
        fit_logistic(logits, labels, weights)


@pytest.mark.parametrize("line", [(0.0, 0.0), (-1.0, 0.0), (np.nan, 0.0), (1.0, np.inf)])
def test_a_line_that_does_not_rise_is_no_calibration(line):
    with pytest.raises(ValueError, match="a slope above zero"):
        Calibration(*line)
