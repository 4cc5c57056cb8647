"""Dependence of choices on features, against another library's test and by construction."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from nba.measurement.dependence import depends_on, independence


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1 << 30),
    rows=st.integers(2, 4),
    columns=st.integers(2, 4),
    leaning=st.floats(0.0, 0.3),
)
def test_p_values_are_those_of_the_chi_square_test(seed, rows, columns, leaning):
    rng = np.random.default_rng(seed)
    one = rng.integers(0, rows, 800)
    alike = rng.random(800) < leaning
    other = np.where(alike, one % columns, rng.integers(0, columns, 800))
    table = np.zeros((rows, columns))
    np.add.at(table, (one, other), 1.0)
    known = chi2_contingency(table, correction=False).pvalue
    assert independence(one, other) == pytest.approx(known, rel=0.2, abs=0.004)


def decisions(n: int = 900) -> pl.DataFrame:
    rng = np.random.default_rng(2)
    action = rng.choice(["a", "b"], n)
    return pl.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(n)],
            "action": action,
            "f_number": rng.normal(size=n) + 0.8 * (action == "a"),
            "f_word": np.where(rng.random(n) < 0.3, action, "other"),
            "f_missing": [None if name == "a" and rng.random() < 0.5 else 1.0 for name in action],
            "f_noise": rng.normal(size=n),
            "f_nothing": [None] * n,
            "x_cross": action,
        },
        schema_overrides={"f_nothing": pl.Float32, "f_missing": pl.Float32},
    )


def test_numbers_words_and_what_is_missing_are_found_and_noise_is_not():
    assert sorted(depends_on(decisions())) == ["missing", "number", "word"]


def test_many_decisions_of_a_customer_are_one_piece_of_evidence():
    few = decisions(10)
    assert depends_on(pl.concat([few] * 100)) == []


def test_without_decisions_there_is_nothing_to_depend_on():
    assert depends_on(decisions().head(0)) == []
