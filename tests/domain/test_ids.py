"""Identifiers: stable codes, partitions and decision ids that carry theirs."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba.domain.ids import (
    decided_at_ms,
    decision_partition,
    hash32,
    new_decision_id,
    partition_of,
    uniform_hash,
)

MOMENT = st.integers(0, 2**44 - 1)


@given(st.integers(0, 4_095), MOMENT, st.integers(0, 2**40 - 1))
def test_a_decision_id_carries_its_partition_and_moment(partition, at_ms, bits):
    decision_id = new_decision_id(partition, at_ms, bits)
    assert len(decision_id) == 24
    assert decision_partition(decision_id) == partition
    assert decided_at_ms(decision_id) == at_ms


@given(MOMENT, MOMENT, st.integers(0, 2**40 - 1))
def test_decision_ids_of_a_partition_sort_by_time(first, second, bits):
    ids = [new_decision_id(3, at_ms, bits) for at_ms in (first, second)]
    assert (ids[0] <= ids[1]) == (first <= second)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nope",
        "00518bcfe5680000000000f",
        "00518bcfe5680000000000fff",
        "00_18bcfe5680000000000ff",
        "-0518bcfe5680000000000ff",
        "+0518bcfe5680000000000ff",
        " 0518bcfe5680000000000ff",
        "0x518bcfe5680000000000ff",
        "00518BCFE5680000000000FF",
        "\N{FULLWIDTH DIGIT ZERO}0518bcfe5680000000000ff",
        "00518bcfe5680000000000ff\n",
    ],
)
def test_what_only_looks_like_a_decision_id_has_no_partition(text):
    assert decision_partition(text) is None


@given(st.text(max_size=40), st.integers(1, 4_095))
def test_a_customer_is_always_in_the_same_existing_partition(customer_id, partitions):
    partition = partition_of(customer_id, partitions)
    assert 0 <= partition < partitions
    assert partition == partition_of(customer_id, partitions)


def test_customers_spread_evenly_over_partitions():
    counts = Counter(partition_of(f"customer-{n}", 16) for n in range(16_000))
    assert len(counts) == 16
    # 1,000 expected each with a standard deviation of 31; five of them leave room for bad luck.
    assert all(845 < count < 1_155 for count in counts.values())


def test_codes_are_those_of_blake2b_and_never_change():
    # `echo -n no_action | b2sum -l 32` gives ee1f0cd0; the code is those bytes, little-endian.
    assert hash32("no_action") == 0xD00C1FEE


def test_sticky_numbers_are_uniform_and_another_salt_draws_another_group():
    drawn = [uniform_hash("2026", f"customer-{n}") for n in range(10_000)]
    assert all(0.0 <= number < 1.0 for number in drawn)
    shares = Counter(int(number * 10) for number in drawn)
    assert all(850 < shares[tenth] < 1_150 for tenth in range(10))
    again = [uniform_hash("2027", f"customer-{n}") for n in range(10_000)]
    both = sum(a < 0.1 and b < 0.1 for a, b in zip(drawn, again, strict=True))
    assert 50 < both < 150, "independent groups of a tenth share a hundredth"
