"""The walk over gates, against a slow and obvious reading of the same rules."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nba.expressions import Level, Schema, Symbol, ValueType, bits, interpret, parse
from nba.policies import apply
from nba.policies.apply import Closed, Walk
from nba.policies.stage import FIRST_CAUSE, OPEN, SECOND_CAUSE, Gate

SCHEMA: Schema = {
    symbol.path: symbol
    for symbol in (
        Symbol("customer.age", ValueType.NUMBER, Level.SITUATION, 0),
        Symbol("customer.member", ValueType.BOOL, Level.SITUATION, 1),
        Symbol("action.value", ValueType.NUMBER, Level.CANDIDATE, 0),
        Symbol("action.fresh", ValueType.BOOL, Level.CANDIDATE, 1),
    )
}
CONDITIONS = [
    parse(source, SCHEMA)
    for source in (
        "customer.member",
        "action.fresh",
        "action.value < customer.age",
        "action.fresh || customer.member",
        "action.value * customer.age > 1.0",
        "true",
    )
]
HOLDOUT = 2
"""The policy that is a holdout here."""


def _cause(gate: Gate, number: int, row: int, closed: Closed, *, found: bool | None) -> int:
    """Return 1 + the cause for which a gate closes a row, as the words of its parts say."""
    if not closed.active[number] or row not in gate.rows:
        return OPEN
    if gate.condition is None:
        return int(closed.whole[number])
    if found is None:
        return OPEN if gate.open_if_unknown else SECOND_CAUSE
    return OPEN if found else FIRST_CAUSE


def _case(seed: int, n_candidates: int) -> tuple[list[Gate], Closed, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    gates = []
    for _ in range(int(rng.integers(0, 12))):
        kind = rng.integers(3)
        gates.append(
            Gate(
                policy=int(rng.integers(0, 6)),
                rows=np.flatnonzero(rng.random(n_candidates) < 0.5).astype(np.int32),
                condition=CONDITIONS[rng.integers(len(CONDITIONS))] if kind == 1 else None,
                open_if_unknown=bool(rng.integers(2)),
                by_row=bool(kind == 2),
            )
        )
    n_by_row = sum(gate.by_row for gate in gates)
    closed = Closed(
        active=(rng.random(len(gates)) < 0.8).astype(np.uint8),
        whole=rng.choice([0, 0, 1, 2], len(gates)).astype(np.uint8),
        by_row=rng.choice([0, 0, 1, 2, 3], (n_by_row, n_candidates)).astype(np.uint8),
    )
    situation = np.array([rng.choice([1.0, 3.0, np.nan]), rng.choice([0.0, 1.0, np.nan])])
    columns = np.stack(
        [
            rng.choice([0.0, 1.0, 2.0, 5.0, np.nan], n_candidates),
            rng.choice([0.0, 1.0, np.nan], n_candidates),
        ],
        axis=1,
    )
    return gates, closed, situation, columns


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), n_candidates=st.sampled_from([1, 2, 63, 64, 65, 130]))
def test_walk_says_what_the_gates_say_one_by_one(seed: int, n_candidates: int) -> None:
    gates, closed, situation, columns = _case(seed, n_candidates)
    walk = Walk(gates, {HOLDOUT}, columns)
    expected = np.zeros((len(gates), n_candidates), dtype=np.uint8)
    by_row = iter(closed.by_row)
    for number, gate in enumerate(gates):
        shut = next(by_row) if gate.by_row else None
        for row in range(n_candidates):
            values = [*situation, *columns[row]]
            named = {
                path: None if np.isnan(value) else float(value)
                for path, value in zip(SCHEMA, values, strict=True)
            }
            found = interpret(gate.condition, named) if gate.condition is not None else None
            cause = _cause(gate, number, row, closed, found=None if found is None else bool(found))
            if shut is not None:
                is_in = closed.active[number] and row in gate.rows
                cause = int(shut[row]) if is_in else OPEN
            expected[number, row] = cause
    assert walk.every_cause(situation, closed).tolist() == expected.tolist()
    dropped_by, causes, holdout = walk.first_drops(situation, closed)
    for row in range(n_candidates):
        shutting = np.flatnonzero(expected[:, row])
        first = int(shutting[0]) if len(shutting) else None
        assert dropped_by[row] == (-1 if first is None else gates[first].policy)
        assert causes[row] == (0 if first is None else expected[first, row] - FIRST_CAUSE)
    is_held = [
        bool(found.any()) and gate.policy == HOLDOUT
        for gate, found in zip(gates, expected, strict=True)
    ]
    assert holdout is any(is_held)


def test_situation_too_short_is_refused_rather_than_read_beyond() -> None:
    gates = [Gate(0, np.array([0], dtype=np.int32), condition=CONDITIONS[0])]
    walk = Walk(gates, (), np.zeros((1, 2)))
    closed = Closed(
        np.ones(1, dtype=np.uint8),
        np.zeros(1, dtype=np.uint8),
        np.zeros((0, 1), dtype=np.uint8),
    )
    with pytest.raises(ValueError, match="a situation of 1 columns; 2 are read"):
        walk.first_drops(np.zeros(1), closed)


def test_what_calls_the_kernels_of_bits_changes_with_them() -> None:
    digest = blake2b(Path(bits.__file__).read_bytes(), digest_size=8).hexdigest()
    assert digest == apply.KERNELS_DIGEST


@pytest.mark.parametrize("n_candidates", [1, 64, 200])
def test_no_gates_drop_nothing(n_candidates: int) -> None:
    walk = Walk([], (), np.zeros((n_candidates, 2)))
    closed = Closed(
        np.zeros(0, dtype=np.uint8),
        np.zeros(0, dtype=np.uint8),
        np.zeros((0, n_candidates), dtype=np.uint8),
    )
    dropped_by, causes, holdout = walk.first_drops(np.zeros(0), closed)
    assert dropped_by.tolist() == [-1] * n_candidates
    assert causes.tolist() == [0] * n_candidates
    assert not holdout
    assert walk.every_cause(np.zeros(0), closed).shape == (0, n_candidates)
