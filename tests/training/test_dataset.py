"""Training tables hold what resolved, as it was known at the time, and nothing else."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.errors import EvaluationRefusedError
from nba.training.dataset import (
    require_enough,
    resolved_choices,
    select_rows,
    split_periods,
)

START = datetime(2025, 1, 1, tzinfo=UTC)


def test_a_choice_that_has_not_resolved_is_absent_and_never_zero(decision, log_of, resolution):
    rows = resolved_choices(log_of([decision(1), decision(2)], [resolution(2)]))
    assert rows["decision_id"].to_list() == ["d2"]


def test_censored_choices_stay_out_even_where_a_correction_came(decision, log_of, resolution):
    log = log_of(
        [decision(1)],
        [resolution(1, "censored", 0.0, 0.0), resolution(1, "correction", 1.0, 5.0, hours=200)],
    )
    assert resolved_choices(log).is_empty()


def test_fallback_answers_are_left_out(decision, log_of, resolution):
    log = log_of([decision(1, fallback=True), decision(2)], [resolution(1), resolution(2)])
    assert resolved_choices(log)["decision_id"].to_list() == ["d2"]


def test_the_latest_correction_gives_the_label_and_all_of_them_the_reward(
    decision, log_of, resolution
):
    log = log_of(
        [decision(1), decision(2)],
        [
            resolution(1, "correction", 0.0, -7.0, hours=300),
            resolution(1, "expired", 0.0, 0.0, hours=100),
            resolution(1, "correction", 1.0, 10.0, hours=200),
            resolution(2, "rewarded", 1.0, 4.0),
        ],
    )
    rows = resolved_choices(log)
    assert rows["label"].to_list() == [0.0, 1.0]
    assert rows["reward"].to_list() == [3.0, 4.0]


def test_choices_of_one_decision_resolve_each_on_their_own(decision, log_of, resolution):
    log = log_of(
        [decision(1), decision(1, choice=1, rank=2, action="hats")],
        [resolution(1, "expired", 0.0, 0.0), resolution(1, label=1.0, reward=3.0, choice=1)],
    )
    rows = resolved_choices(log).sort("choice")
    assert rows.select("action", "label", "reward").rows() == [
        ("shoes", 0.0, 0.0),
        ("hats", 1.0, 3.0),
    ]


def test_features_are_as_recorded(decision, log_of, resolution):
    log = log_of([decision(1, f_age=41.5, f_region="north", a_action_id="shoes")], [resolution(1)])
    row = resolved_choices(log).row(0, named=True)
    assert (row["f_age"], row["f_region"], row["a_action_id"]) == (41.5, "north", "shoes")


def test_bounds_take_in_the_first_moment_and_leave_out_the_last(decision, log_of, resolution):
    numbers = range(4)
    log = log_of([decision(n) for n in numbers], [resolution(n) for n in numbers])
    since, until = START + timedelta(hours=1), START + timedelta(hours=3)
    assert resolved_choices(log, since=since, until=until)["decision_id"].to_list() == ["d1", "d2"]


def test_rows_of_one_moment_are_mixed_always_alike_and_not_in_file_order(
    decision, log_of, resolution
):
    numbers = range(50)
    one_moment = [decision(n, at=START) for n in numbers]
    first = resolved_choices(log_of(one_moment, [resolution(n) for n in numbers]))
    again = resolved_choices(log_of(one_moment[::-1], [resolution(n) for n in numbers]))
    assert first["decision_id"].to_list() == again["decision_id"].to_list()
    assert first["decision_id"].to_list() != [f"d{n}" for n in numbers]


def test_later_rows_come_later(decision, log_of, resolution):
    log = log_of([decision(n) for n in (3, 1, 2)], [resolution(n) for n in (1, 2, 3)])
    rows = resolved_choices(log)
    assert rows["decision_id"].to_list() == ["d1", "d2", "d3"]
    periods = split_periods(rows["at"], calibration_share=1 / 3, evaluation_share=1 / 3)
    assert (periods.fit.tolist(), periods.calibration.tolist()) == ([0], [1])
    assert periods.evaluation.tolist() == [2]
    assert periods.in_time


def test_a_table_of_one_moment_says_that_its_evaluation_is_not_later(decision, log_of, resolution):
    log = log_of([decision(n, at=START) for n in (1, 2)], [resolution(n) for n in (1, 2)])
    assert not split_periods(resolved_choices(log)["at"]).in_time


@settings(deadline=None)
@given(rows=st.integers(0, 200), one=st.floats(0, 0.5), other=st.floats(0, 0.5))
def test_periods_cut_every_row_into_exactly_one_part_in_order(rows, one, other):
    at = pl.Series(range(rows), dtype=pl.Int64)
    periods = split_periods(at, calibration_share=one, evaluation_share=other)
    parts = np.concatenate([periods.fit, periods.calibration, periods.evaluation])
    assert parts.tolist() == list(range(rows))


def test_too_few_rows_are_refused_with_what_would_be_enough():
    with pytest.raises(EvaluationRefusedError, match="3 resolved choices") as refused:
        require_enough("m", np.array([1.0, 0.0, 0.0]), min_rows=10, min_positives=1)
    assert "at least 10 rows with 1 of each" in str(refused.value)


@pytest.mark.parametrize("labels", [[1.0] * 20, [0.0] * 20])
def test_one_sided_labels_are_refused(labels):
    with pytest.raises(EvaluationRefusedError, match="with 5 of each"):
        require_enough("m", np.array(labels), min_rows=10, min_positives=5)


def test_rows_are_selected_by_action_placement_and_channel(decision, log_of, resolution):
    rows = resolved_choices(
        log_of(
            [decision(1), decision(2, action="hats"), decision(3, channel="sms")],
            [resolution(n) for n in (1, 2, 3)],
        )
    )
    kept = select_rows(rows, lambda a, p, c: (a, p, c) == ("shoes", "email.body", "email"))
    assert kept["decision_id"].to_list() == ["d1"]
