"""What desired outcomes bring: a mean that begins at what was declared, and follows."""

from __future__ import annotations

import math
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.bandits.amounts import FORMAT, PRIOR_WEIGHT, AmountMeans, _Reported
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
    means._known["card"] = _Reported(1.0, math.nan)
    assert means.mean("card", 20.0) == 20.0


@pytest.mark.parametrize("broken", [b"", b"x", AmountMeans(forgetting=1.0).to_bytes()[:-1]])
def test_bytes_that_are_no_amounts_are_refused(broken: bytes) -> None:
    with pytest.raises(CorruptRecordError, match="cannot be read"):
        AmountMeans.from_bytes(broken, forgetting=1.0)


def test_bytes_of_another_length_are_refused() -> None:
    means = AmountMeans(forgetting=1.0)
    means.observe("card", 40.0, cap=CAP)
    whole = msgspec.msgpack.decode(means.to_bytes())
    broken = msgspec.msgpack.encode({**whole, "sums": whole["sums"][:8]})
    with pytest.raises(CorruptRecordError, match="8 bytes for 1 actions"):
        AmountMeans.from_bytes(broken, forgetting=1.0)


@given(
    reported=st.dictionaries(
        st.sampled_from(["coat", "shirt", "hat", "shawl"]),
        st.lists(st.floats(0.0, 90.0), max_size=80),
    ),
    declared=st.floats(1.0, 60.0),
    most=st.floats(1.0, 5.0),
)
def test_one_starts_at_as_many_times_what_is_declared_as_its_kin_bring_as_far_as_they_are_known(
    reported: dict[str, list[float]], declared: float, most: float
) -> None:
    means = AmountMeans(forgetting=1.0)
    for name, amounts in reported.items():
        for amount in amounts:
            means.observe(name, amount, cap=CAP)
    kin = {name: 20.0 + 5.0 * place for place, name in enumerate(["coat", "shirt", "hat"])}
    moved = []
    for name, of_kin in kin.items():
        amounts = reported.get(name, [])
        if amounts:
            brings = (10.0 * of_kin + math.fsum(amounts)) / (10.0 + len(amounts))
            moved.append((brings / of_kin - 1.0) * len(amounts) / (len(amounts) + 50.0))
    times = min(1.0 + math.fsum(moved) / len(moved), most) if moved else 1.0
    assert means.inherited(kin, most=most) == pytest.approx(times)
    assert means.start("parka", kin, most=most)
    assert means.mean("parka", declared) == pytest.approx(times * declared)
    means.observe("parka", 40.0, cap=CAP)
    assert means.mean("parka", declared) == pytest.approx((10.0 * times * declared + 40.0) / 11.0)
    assert not means.start("parka", {"coat": 1.0}, most=most)
    again = AmountMeans.from_bytes(means.to_bytes(), forgetting=1.0)
    assert again.mean("parka", declared) == means.mean("parka", declared)
    assert again.to_bytes() == means.to_bytes()


def test_where_one_started_can_be_moved_and_what_is_forgotten_starts_at_what_is_declared() -> None:
    means = AmountMeans(forgetting=1.0)
    for _ in range(50):
        means.observe("coat", 44.0, cap=CAP)
    means.inherit("parka", {"coat": 20.0}, most=3.0)
    assert not means.knows("parka")
    means.forget(["parka"])
    assert means.mean("parka", 10.0) == 10.0
    means.inherit("parka", {"coat": 20.0}, most=3.0)
    assert means.mean("parka", 10.0) == pytest.approx(15.0)  # twice as much, half believed


def test_kin_that_are_declared_to_bring_nothing_or_have_broken_are_not_believed() -> None:
    means = AmountMeans(forgetting=1.0)
    for name in ("coat", "shirt"):
        means.observe(name, 44.0, cap=CAP)
    assert means.inherited({"coat": 0.0, "shirt": -1.0, "gone": 5.0}, most=3.0) == 1.0
    assert means.inherited({"coat": 5e-324}, most=3.0) == 1.0


def test_amounts_from_before_kin_counted_all_started_at_what_was_declared() -> None:
    sums = struct.pack("<2d", 10.0, 400.0)
    before = {"format": FORMAT, "actions": ["card"], "sums": sums}
    means = AmountMeans.from_bytes(msgspec.msgpack.encode(before), forgetting=1.0)
    assert means.mean("card", 20.0) == 30.0
    broken = msgspec.msgpack.encode({**before, "starts": sums})
    with pytest.raises(CorruptRecordError, match="16 bytes of starts for 1 actions"):
        AmountMeans.from_bytes(broken, forgetting=1.0)
