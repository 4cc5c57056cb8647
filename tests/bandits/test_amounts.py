"""What desired outcomes bring: a mean that begins at what was declared, and follows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bandits.amounts import PRIOR_WEIGHT, AmountMeans
from nba.errors import CorruptRecordError, InputError

CAP = 100.0


def slow_mean(amounts: list[float], declared: float, forgetting: float) -> float:
    """Return the weighted mean in which each amount has lost a factor with every later one."""
    weights = [forgetting ** (len(amounts) - 1 - at) for at in range(len(amounts))]
    cut = [sorted((-CAP, amount, CAP))[1] for amount in amounts]
    total = sum(weight * amount for weight, amount in zip(weights, cut, strict=True))
    return (PRIOR_WEIGHT * declared + total) / (PRIOR_WEIGHT + sum(weights))


@given(
    amounts=st.lists(st.floats(-1e9, 1e9) | st.sampled_from([math.inf, -math.inf, 0.0])),
    declared=st.floats(0.0, CAP),
    forgetting=st.floats(0.5, 1.0),
)
def test_a_mean_is_that_of_faded_amounts_and_the_declared_one(
    amounts: list[float], declared: float, forgetting: float
) -> None:
    means = AmountMeans(forgetting=forgetting)
    for amount in amounts:
        means.observe("card", amount, cap=CAP)
    expected = slow_mean(amounts, declared, forgetting)
    assert means.mean("card", declared) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    again = AmountMeans.from_bytes(means.to_bytes(), forgetting=forgetting)
    assert again.to_bytes() == means.to_bytes()
    assert again.mean("card", declared) == means.mean("card", declared)


def test_actions_are_learned_and_forgotten_each_on_its_own() -> None:
    means = AmountMeans(forgetting=1.0)
    for _ in range(10):
        means.observe("card", 40.0, cap=CAP)
    means.observe("coat", 9.0, cap=CAP)
    assert (means.actions, means.count("card"), means.count("hat")) == (("card", "coat"), 10.0, 0.0)
    assert (means.mean("card", 20.0), means.mean("coat", 20.0)) == (30.0, 19.0)
    means.forget(["card", "hat"])
    assert (means.mean("card", 20.0), means.mean("coat", 20.0)) == (20.0, 19.0)


def test_an_amount_that_is_no_number_is_refused_and_nothing_learned() -> None:
    means = AmountMeans(forgetting=1.0)
    with pytest.raises(InputError, match="an amount is expected"):
        means.observe("card", math.nan, cap=CAP)
    assert means.actions == ()


def test_where_what_is_known_has_broken_the_declared_amount_stands() -> None:
    means = AmountMeans(forgetting=1.0)
    means.observe("card", 40.0, cap=CAP)
    means._sums["card"] = (1.0, math.nan)
    assert means.mean("card", 20.0) == 20.0


@pytest.mark.parametrize("broken", [b"", b"x", AmountMeans(forgetting=1.0).to_bytes()[:-1]])
def test_bytes_that_are_no_amounts_are_refused(broken: bytes) -> None:
    with pytest.raises(CorruptRecordError, match="cannot be read"):
        AmountMeans.from_bytes(broken, forgetting=1.0)


def test_bytes_of_another_length_are_refused() -> None:
    means = AmountMeans(forgetting=1.0)
    means.observe("card", 40.0, cap=CAP)
    broken = means.to_bytes().replace(b"\xc4\x10", b"\xc4\x08")[:-8]
    with pytest.raises(CorruptRecordError, match="8 bytes for 1 actions"):
        AmountMeans.from_bytes(broken, forgetting=1.0)
