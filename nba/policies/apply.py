"""Walks the gates of a placement in the stated order, over sets of candidates.

Every gate stands before a set of candidates and closes for some of them: for all at once, where
its condition is false or unknown, or row by row. Sets are words of bits
(:mod:`nba.expressions.bits`), so that a gate costs a few operations a word, and a candidate is
touched once: when it is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from nba.expressions import compile_program, pack, unpack
from nba.expressions.bits import SortedColumns, run_bits
from nba.expressions.program import check_width
from nba.policies.stage import FIRST_CAUSE, OPEN, SECOND_CAUSE, Gate

KERNELS_DIGEST = "0c24d98bae65594d"
"""Of :mod:`nba.expressions.bits`, whose compiled code is called here: numba renews what it keeps on
disk only when the caller's file changes, and so this one changes with that."""

_POLICY, _SCALAR, _VECTOR, _BY_ROW, _OPEN_IF_UNKNOWN, _IS_HOLDOUT = range(6)


class Closed(NamedTuple):
    """What stages have closed in a decision.

    ``active`` ``(n_gates,) uint8`` says which gates can close at all; ``whole`` ``(n_gates,)
    uint8`` and ``by_row`` ``(n_by_row, n_candidates) uint8`` are 0 where open, else 1 + the cause.
    """

    active: NDArray[np.uint8]
    whole: NDArray[np.uint8]
    by_row: NDArray[np.uint8]


class Walk:
    """The gates of one placement and their conditions, bound to its candidates.

    Parameters
    ----------
    gates
        In the order of evaluation.
    holdouts
        Indices of the policies that hold customers out.
    columns
        The candidates, ``(n_candidates, n_columns) float64``, as conditions read them.

    """

    def __init__(
        self, gates: Sequence[Gate], holdouts: Collection[int], columns: NDArray[np.float64]
    ) -> None:
        self._n_candidates = len(columns)
        conditions = [gate.condition for gate in gates if gate.condition is not None]
        self._conditions = compile_program(conditions).bind(columns)
        self._rows = self._conditions.new_rows()
        members = np.zeros((len(gates), self._n_candidates), dtype=np.bool_)
        for number, gate in enumerate(gates):
            members[number, gate.rows] = True
        self._members = pack(members)
        self._table = self._gate_table(gates, holdouts)

    def first_drops(
        self, symbols: NDArray[np.float64], closed: Closed
    ) -> tuple[NDArray[np.int16], NDArray[np.int8], bool]:
        """Say what drops each candidate first.

        Returns the policy, ``(n_candidates,) int16``, -1 where none; the cause within it,
        ``(n_candidates,) int8``; and whether any candidate is held out.
        """
        check_width(symbols, self._conditions.n_situation_columns)
        # One call, which no other thread can come between, so that all may share the rows.
        found: tuple[NDArray[np.int16], NDArray[np.int8], bool] = _decide(
            symbols,
            self._rows,
            *self._conditions.arguments,
            self._table,
            self._members,
            *closed,
            self._n_candidates,
        )
        return found

    def every_cause(self, symbols: NDArray[np.float64], closed: Closed) -> NDArray[np.uint8]:
        """Return 1 + the cause where a gate drops a candidate, ``(n_gates, n_candidates)``."""
        bits = self._conditions.new_rows()
        verdicts = self._conditions.run_bits(symbols, bits)
        n_words = self._members.shape[1]
        members = unpack(self._members, self._n_candidates)
        causes = np.zeros(members.shape, dtype=np.uint8)
        for number in np.flatnonzero(closed.active).tolist():
            row = self._table[number]
            may_be_unknown = bool(row[_OPEN_IF_UNKNOWN])
            if row[_VECTOR] >= 0:
                answer = bits[row[_VECTOR]].reshape(2, n_words)
                true, false = unpack(answer, self._n_candidates)
                unknown = OPEN if may_be_unknown else SECOND_CAUSE
                causes[number] = np.where(true, OPEN, np.where(false, FIRST_CAUSE, unknown))
            elif row[_BY_ROW] >= 0:
                causes[number] = closed.by_row[row[_BY_ROW]]
            else:
                causes[number] = _shut(row[_SCALAR], may_be_unknown, closed.whole[number], verdicts)
        return np.where(members, causes, np.uint8(OPEN))

    def _gate_table(self, gates: Sequence[Gate], holdouts: Collection[int]) -> NDArray[np.int32]:
        conditions = self._conditions
        scalars = {output: at for at, output in enumerate(conditions.scalar_outputs.tolist())}
        vectors = dict(
            zip(conditions.vector_outputs.tolist(), conditions.vector_rows.tolist(), strict=True)
        )
        table = np.full((len(gates), _IS_HOLDOUT + 1), -1, dtype=np.int32)
        output = 0
        by_row = 0
        for row, gate in zip(table, gates, strict=True):
            row[_POLICY] = gate.policy
            row[_OPEN_IF_UNKNOWN] = gate.open_if_unknown
            row[_IS_HOLDOUT] = gate.policy in holdouts
            if gate.by_row:
                row[_BY_ROW] = by_row
                by_row += 1
            elif gate.condition is not None:
                row[_SCALAR] = scalars.get(output, -1)
                row[_VECTOR] = vectors.get(output, -1)
                output += 1
        return table


@numba.njit(cache=True)
def _shut(scalar: int, is_open_if_unknown: bool, whole: int, verdicts: Any) -> int:  # noqa: FBT001
    """Return 1 + the cause for which a gate is closed for all its rows, 0 where it is not."""
    if scalar < 0:
        return int(whole)
    if verdicts[scalar] == 1:
        return OPEN
    if verdicts[scalar] == 0:
        return FIRST_CAUSE
    return OPEN if is_open_if_unknown else SECOND_CAUSE


@numba.njit(cache=True)
def _first_drops(  # noqa: C901, PLR0912 - calls that pass arrays cost more than the work here
    table: Any,
    members: Any,
    active: Any,
    whole: Any,
    by_row: Any,
    verdicts: Any,
    bits: Any,
    n_candidates: int,
) -> tuple[NDArray[np.int16], NDArray[np.int8], bool]:
    n_words = members.shape[1]
    dropped_by = np.full(n_candidates, -1, dtype=np.int16)
    causes = np.zeros(n_candidates, dtype=np.int8)
    left = np.full(n_words, ~np.uint64(0), dtype=np.uint64)
    closed = np.empty(n_words, dtype=np.uint64)
    holdout = False
    for gate in range(table.shape[0]):
        if not active[gate]:
            continue
        is_open_if_unknown = table[gate, _OPEN_IF_UNKNOWN] == 1
        vector = table[gate, _VECTOR]
        shut = table[gate, _BY_ROW]
        cause = OPEN
        if vector >= 0 and is_open_if_unknown:
            for word in range(n_words):
                closed[word] = members[gate, word] & bits[vector, n_words + word]
        elif vector >= 0:
            for word in range(n_words):
                closed[word] = members[gate, word] & ~bits[vector, word]
        elif shut >= 0:
            for word in range(n_words):
                set_here = np.uint64(0)
                for row in range(64 * word, min(64 * word + 64, n_candidates)):
                    set_here |= np.uint64(by_row[shut, row] != OPEN) << np.uint64(row & 63)
                closed[word] = members[gate, word] & set_here
        else:
            cause = _shut(table[gate, _SCALAR], is_open_if_unknown, whole[gate], verdicts)
            if cause == OPEN:
                continue
            for word in range(n_words):
                closed[word] = members[gate, word]
        any_closed = np.uint64(0)
        any_dropped = np.uint64(0)
        for word in range(n_words):
            any_closed |= closed[word]
            any_dropped |= closed[word] & left[word]
        holdout |= any_closed != 0 and table[gate, _IS_HOLDOUT] == 1
        if any_dropped == 0:
            continue
        for word in range(n_words):
            dropped = closed[word] & left[word]
            left[word] &= ~dropped
            row = 64 * word
            while dropped:
                if dropped & np.uint64(1):
                    if vector >= 0:
                        is_false = bits[vector, n_words + word] >> np.uint64(row & 63)
                        cause = FIRST_CAUSE if is_false & np.uint64(1) else SECOND_CAUSE
                    elif shut >= 0:
                        cause = by_row[shut, row]
                    dropped_by[row] = table[gate, _POLICY]
                    causes[row] = cause - FIRST_CAUSE
                dropped >>= np.uint64(1)
                row += 1
    return dropped_by, causes, holdout


@numba.njit(cache=True)
def _decide(
    situation: Any,
    rows: Any,
    template: Any,
    layout: Any,
    loads: Any,
    situation_code: Any,
    tables: Any,
    scalar_outputs: Any,
    fixed: Any,
    mixed_code: Any,
    packed: Any,
    bit_code: Any,
    columns: SortedColumns,
    table: Any,
    members: Any,
    active: Any,
    whole: Any,
    by_row: Any,
    n_candidates: int,
) -> tuple[NDArray[np.int16], NDArray[np.int8], bool]:
    """Run the conditions, then walk the gates."""
    verdicts = run_bits(
        situation,
        rows,
        template,
        layout,
        loads,
        situation_code,
        tables,
        scalar_outputs,
        fixed,
        mixed_code,
        packed,
        bit_code,
        columns,
    )
    found: tuple[NDArray[np.int16], NDArray[np.int8], bool] = _first_drops(
        table, members, active, whole, by_row, verdicts, rows, n_candidates
    )
    return found
