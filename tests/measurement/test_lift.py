"""Lift against values worked out by hand and a log whose truth is known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from nba.errors import EvaluationRefusedError
from nba.measurement.lift import check_sample_ratio, measure_lift

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def frames(rows):
    """Build decisions and resolutions of (customer, action, probability, cost, held, label)."""
    decisions = pl.DataFrame(
        {
            "decision_id": [f"d{index}" for index in range(len(rows))],
            "choice": [0] * len(rows),
            "customer_id": [row[0] for row in rows],
            "action": [row[1] for row in rows],
            "candidates": [["no_action"] if row[4] else ["no_action", "a", "b"] for row in rows],
            "probability": [row[2] for row in rows],
            "value": [0.0] * len(rows),
            "cost": [row[3] for row in rows],
            "holdout": [row[4] for row in rows],
        }
    )
    resolutions = pl.DataFrame(
        {
            "decision_id": decisions["decision_id"],
            "choice": decisions["choice"],
            "kind": ["rewarded" if row[5] else "expired" for row in rows],
            "label": [float(row[5]) for row in rows],
            "reward": [10.0 * row[5] for row in rows],
            "at": [NOON] * len(rows),
            "goals": pl.Series([None] * len(rows), dtype=pl.List(pl.String)),
        }
    )
    return decisions, resolutions


def test_lift_is_the_difference_of_group_means():
    treated = [(f"t{i}", "a", 1.0, 1.0, False, int(i < 6)) for i in range(20)]
    held = [(f"h{i}", "no_action", 1.0, 0.0, True, int(i < 1)) for i in range(10)]
    report = measure_lift(*frames(treated + held), holdout_share=1 / 3)
    assert [row.name for row in report.rows] == ["treated", "held out", "no_action", "always a"]
    assert report.rows[0].accept_rate.value == pytest.approx(0.3)
    assert report.rows[0].value.value == pytest.approx(2.0)  # 6 x 10 / 20, less 1
    assert report.rows[1].value.value == pytest.approx(1.0)
    assert report.value_lift.value == pytest.approx(1.0)
    assert report.accept_lift.low < 0.2 < report.accept_lift.high
    assert report.to_builtins()["sample_ratio_mismatch"] is False


def test_constants_are_valued_by_what_was_logged():
    """With equal shares, weights are all 3 and the estimate is the mean of the matching rows."""
    rng = np.random.default_rng(3)
    rates = {"no_action": 0.1, "a": 0.2, "b": 0.6}
    rows = []
    for index in range(3_000):
        action = str(rng.choice(list(rates)))
        rows.append((f"t{index}", action, 1 / 3, 0.0, False, int(rng.random() < rates[action])))
    rows += [(f"h{i}", "no_action", 1.0, 0.0, True, int(i % 10 == 0)) for i in range(150)]
    decisions, resolutions = frames(rows)
    report = measure_lift(decisions, resolutions, holdout_share=0.05)
    of_b = [row[5] for row in rows if row[1] == "b"]
    assert report.best_constant == "b"
    assert report.rows[3].accept_rate.value == pytest.approx(np.mean(of_b))
    assert report.rows[3].believable
    assert not report.rows[3].measured
    assert report.rows[2].accept_rate.low < 0.1 < report.rows[2].accept_rate.high


def test_corrections_add_and_censored_choices_leave():
    rows = [("t0", "a", 1.0, 0.0, False, 0), ("t1", "a", 1.0, 0.0, False, 1)]
    rows += [("h0", "no_action", 1.0, 0.0, True, 0)]
    decisions, resolutions = frames(rows)
    late = resolutions.head(1).with_columns(
        kind=pl.lit("correction"),
        label=pl.lit(1.0),
        reward=pl.lit(7.0),
        at=pl.lit(NOON + timedelta(days=9)).cast(resolutions.schema["at"]),
    )
    censored = resolutions.with_columns(
        kind=pl.when(pl.col("decision_id") == "d1").then(pl.lit("censored")).otherwise("kind")
    )
    report = measure_lift(decisions, pl.concat([late, censored]), holdout_share=0.5)
    assert report.rows[0].decisions == 1
    assert report.rows[0].value.value == pytest.approx(7.0)


def test_intervals_resample_customers_not_rows():
    """Ten rows of each customer, all alike, carry no more than one row each."""
    once = [(f"t{i}", "a", 1.0, 0.0, False, i % 2) for i in range(40)]
    held = [("h0", "no_action", 1.0, 0.0, True, 0), ("h1", "no_action", 1.0, 0.0, True, 1)]
    single = measure_lift(*frames(once + held), holdout_share=0.5).rows[0].accept_rate
    many = measure_lift(*frames(once * 10 + held), holdout_share=0.5).rows[0].accept_rate
    assert many.value == pytest.approx(single.value)
    assert many.high - many.low == pytest.approx(single.high - single.low)


def test_lift_without_a_holdout_is_refused():
    treated = [("t", "a", 1.0, 0.0, False, 1)]
    with pytest.raises(EvaluationRefusedError, match="0 held-out decisions"):
        measure_lift(*frames(treated), holdout_share=0.05)


def test_sample_ratio_counts_customers():
    """60 of 1,000 held out for a declared 5 %: chi-square is 100 / 47.5, p is .147."""
    rows = [(f"c{i}", "no_action", 1.0, 0.0, i < 60, 0) for i in range(1_000)] * 2
    ratio = check_sample_ratio(frames(rows)[0], holdout_share=0.05)
    assert (ratio.customers, ratio.held_out) == (1_000, 60)
    assert ratio.chi_square == pytest.approx(100 / 47.5)
    assert ratio.p_value == pytest.approx(0.1468, abs=1e-4)
    assert not ratio.mismatch


def test_a_wrong_split_is_a_mismatch():
    rows = [(f"c{i}", "no_action", 1.0, 0.0, i < 100, 0) for i in range(1_000)]
    assert check_sample_ratio(frames(rows)[0], holdout_share=0.05).mismatch


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_ratio_to_check_is_refused(share):
    rows = [("c", "no_action", 1.0, 0.0, False, 0)]
    with pytest.raises(EvaluationRefusedError, match="no ratio to check"):
        check_sample_ratio(frames(rows)[0], holdout_share=share)
