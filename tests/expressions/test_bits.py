"""Bits, their packing, and the kernels compiled from them."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest

from nba.expressions import bits, machine
from nba.expressions.bits import STRIDE, pack, pack_values, sort_columns, unpack, word_count


@pytest.mark.parametrize("n_candidates", [0, 1, 63, 64, 65, 1_000])
def test_what_is_packed_unpacks_the_same(n_candidates: int) -> None:
    flags = np.random.default_rng(n_candidates).random((3, n_candidates)) < 0.5
    words = pack(flags)
    assert words.shape == (3, word_count(n_candidates))
    assert (unpack(words, n_candidates) == flags).all()


def test_candidate_is_the_bit_of_its_number() -> None:
    flags = np.zeros(130, dtype=np.bool_)
    flags[[0, 3, 64, 129]] = True
    assert pack(flags).tolist() == [1 + 8, 1, 2]


def test_values_pack_to_true_then_false_and_unknown_to_neither() -> None:
    values = np.array([[1.0, 0.0, np.nan, 2.0]])
    assert pack_values(values).tolist() == [[0b1001, 0b0010]]


def test_prefixes_of_a_sorted_column_leave_out_what_is_missing() -> None:
    column = np.arange(100.0)[::-1].copy()
    column[10] = np.nan  # which was 89
    found = sort_columns(column[None])
    assert found.starts.tolist() == [0, 99]
    assert found.values.tolist() == [float(n) for n in range(100) if n != 89]
    assert found.known.tolist() == pack(~np.isnan(column))[None].tolist()
    assert len(found.prefixes) == 99 // STRIDE + 1
    for number, words in enumerate(found.prefixes):
        assert (
            unpack(words, 100).tolist() == np.isin(column, found.values[: number * STRIDE]).tolist()
        )


def test_what_calls_the_kernels_of_the_machine_changes_with_them() -> None:
    digest = blake2b(Path(machine.__file__).read_bytes(), digest_size=8).hexdigest()
    assert digest == bits.MACHINE_DIGEST


def test_no_other_module_calls_them() -> None:
    package = Path(machine.__file__).parent
    compiled = {path.name for path in package.glob("*.py") if "@numba.njit" in path.read_text()}
    assert compiled == {"bits.py", "machine.py"}
