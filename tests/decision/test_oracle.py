"""Arbitration against another product's own numbers, through the public pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.policies.oracle import EXTRACT, compare, read_extract

EVERY = 5
"""Of the 100 decisions, every so manieth here; ``make bench-policies`` compares all."""


@pytest.mark.datasets
def test_scores_and_ranks_are_those_of_the_extract(datasets: Path) -> None:
    if not (datasets / EXTRACT).exists():
        pytest.skip(f"no {EXTRACT} in the datasets")
    decisions = read_extract(datasets)
    assert len(decisions) == 100
    for rows in decisions[::EVERY]:
        found = compare(rows)
        assert found.priority_error <= 1e-9
        assert found.ranks_agree == found.candidates == len(rows)
