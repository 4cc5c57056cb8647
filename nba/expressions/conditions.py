"""Conditions compiled together, answered for all candidates at once as bits.

Every value that mixes situation and candidate is sorted by how it can be had: logic on bits; a
comparison of a candidate's number with one of the situation by looking it up; and only what really
computes with both is run in numbers and packed (:mod:`nba.expressions.bits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba.expressions.bits import (
    CONSTANT_ROWS,
    BitOp,
    pack_values,
    run_bits,
    sort_columns,
    unpack,
    word_count,
)
from nba.expressions.lowering import Builder, Instruction, Needs, Place
from nba.expressions.machine import Op
from nba.expressions.program import Program, check_width
from nba.expressions.tree import Expression
from nba.expressions.types import ExpressionError, ValueType

_LOGIC = {
    Op.NOT: BitOp.NOT,
    Op.AND: BitOp.AND,
    Op.OR: BitOp.OR,
    Op.CHOOSE: BitOp.CHOOSE,
}
_CANDIDATE_LEFT = {Op.LESS: BitOp.BELOW, Op.LESS_EQUAL: BitOp.UP_TO, Op.EQUAL: BitOp.SAME}
_CANDIDATE_RIGHT = {Op.LESS: BitOp.ABOVE, Op.LESS_EQUAL: BitOp.FROM, Op.EQUAL: BitOp.SAME}


class _Sorting:
    """Which mixed values are had as bits, and which in numbers; positions in the mixed code."""

    def __init__(self, builder: Builder, outputs: Sequence[Place]) -> None:
        self.code = builder.code[Needs.MIXED]
        self._bools = builder.bools
        self.bits: dict[int, BitOp] = {}
        self.packed: list[int] = []
        self.numbers: set[int] = set()
        wanted = {place[2] for place in outputs if place[0] is Needs.MIXED}
        for position in reversed(range(len(self.code))):
            if position in wanted:
                op = self._bit_op(self.code[position])
                if op is None:
                    self.packed.append(position)
                    self.numbers.add(position)
                else:
                    self.bits[position] = op
                    wanted |= self._mixed_operands(position)
            if position in self.numbers:
                self.numbers |= self._mixed_operands(position)

    def _bit_op(self, instruction: Instruction) -> BitOp | None:
        op, operands = instruction
        if op in _LOGIC:
            return _LOGIC[op]
        if op is Op.EQUAL and all(operand in self._bools for operand in operands):
            return BitOp.EQUAL
        if op not in _CANDIDATE_LEFT:
            return None
        left, right = (operand[0] for operand in operands if isinstance(operand, tuple))
        if left is Needs.CANDIDATE and not right & Needs.CANDIDATE:
            return _CANDIDATE_LEFT[op]
        if right is Needs.CANDIDATE and not left & Needs.CANDIDATE:
            return _CANDIDATE_RIGHT[op]
        return None

    def _mixed_operands(self, position: int) -> set[int]:
        _, operands = self.code[position]
        return {
            operand[2]
            for operand in operands
            if isinstance(operand, tuple) and operand[0] is Needs.MIXED
        }


class ConditionProgram(Program[np.int8]):
    """Conditions, compiled; see :func:`compile_program`."""

    def __init__(self, builder: Builder, outputs: Sequence[Place]) -> None:
        super().__init__(builder, outputs, np.int8)
        sorting = _Sorting(builder, outputs)
        self._numbers = sorted(sorting.numbers)
        self._registers = {position: row for row, position in enumerate(self._numbers)}
        self._number_code = self._assemble([sorting.code[position] for position in self._numbers])
        self._packed = np.array(
            [self._registers[position] for position in sorting.packed], dtype=np.intp
        )
        vectors = [place for place in outputs if place[0] & Needs.CANDIDATE]
        self._fixed: dict[Place, int] = {}
        self._sorted: dict[Place, int] = {}
        for place in vectors:
            self._note_fixed(place)
        for position, op in sorting.bits.items():
            for operand in sorting.code[position][1]:
                if op < BitOp.BELOW and isinstance(operand, tuple):
                    self._note_fixed(operand)
        first = CONSTANT_ROWS + len(self._fixed)
        self._rows = {position: first + row for row, position in enumerate(sorting.packed)}
        first += len(sorting.packed)
        ordered = sorted(sorting.bits)
        self._rows |= {position: first + row for row, position in enumerate(ordered)}
        code = [
            self._bit_instruction(sorting.bits[position], sorting.code[position][1])
            for position in ordered
        ]
        self._bit_code = np.array(code, dtype=np.int32).reshape(-1, 4)
        self._vector_rows = np.array([self._operand(place) for place in vectors], dtype=np.intp)

    def _address(self, place: Place) -> int:
        if place[0] is Needs.MIXED:
            return self._starts[Needs.MIXED, "result"] + self._registers[place[2]]
        return super()._address(place)

    def _note_fixed(self, place: Place) -> None:
        if place[0] is Needs.CANDIDATE:
            self._fixed.setdefault(place, len(self._fixed))

    def _operand(self, place: Place) -> int:
        """Return the row of a value, or what stands for a scalar's address."""
        if place[0] is Needs.MIXED:
            return self._rows[place[2]]
        if place[0] is Needs.CANDIDATE:
            return CONSTANT_ROWS + self._fixed[place]
        return -1 - self._address(place)

    def _bit_instruction(self, op: BitOp, operands: Sequence[Place | int]) -> list[int]:
        places = [operand for operand in operands if isinstance(operand, tuple)]
        if op < BitOp.BELOW:
            padding = [0] * (3 - len(places))
            return [op, *(self._operand(place) for place in places), *padding]
        candidate, scalar = sorted(places, key=lambda place: place[0] is not Needs.CANDIDATE)
        column = self._sorted.setdefault(candidate, len(self._sorted))
        return [op, column, self._address(scalar), 0]

    def bind(self, candidates: NDArray[np.float64]) -> BoundConditions:
        """Compute everything that depends on candidates ``(n_candidates, n_columns)`` alone."""
        n_candidates = len(candidates)
        vectors = self._fix(candidates)
        n_scalars = len(self._template)
        fixed, searched = (
            vectors[np.array([self._address(place) - n_scalars for place in places], dtype=np.intp)]
            for places in (self._fixed, self._sorted)
        )
        constants = np.repeat([[np.nan], [0.0], [1.0]], n_candidates, axis=1)
        return BoundConditions(
            n_candidates=n_candidates,
            n_situation_columns=self._n_situation_columns,
            scalar_outputs=self.scalar_outputs,
            vector_outputs=self.vector_outputs,
            vector_rows=self._vector_rows,
            given_rows=pack_values(np.vstack([constants, fixed])),
            arguments=(
                self._template,
                self._layout,
                self._loads,
                self._situation_code,
                self._tables,
                self._scalar_addresses,
                vectors if len(self._packed) else vectors[:0],
                self._number_code,
                self._packed,
                self._bit_code,
                sort_columns(searched),
            ),
        )

    def run(
        self, situation: NDArray[np.float64], candidates: NDArray[np.float64]
    ) -> NDArray[np.int8]:
        """Bind and run at once; returns ``(n_outputs, n_candidates)`` verdicts.

        To run often over the same candidates, :meth:`bind` once and use
        :meth:`BoundConditions.run_bits`.
        """
        bound = self.bind(candidates)
        rows = bound.new_rows()
        scalars = bound.run_bits(situation, rows)
        verdicts = np.empty((self.n_outputs, bound.n_candidates), dtype=np.int8)
        verdicts[self.scalar_outputs] = scalars[:, None]
        verdicts[self.vector_outputs] = bound.verdicts(rows)
        return verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundConditions:
    """Conditions with their candidates fixed, as a plan keeps them.

    ``scalar_outputs`` and ``vector_outputs`` are the output numbers, ascending, that are one
    verdict for all candidates, and one each; ``vector_rows`` ``(n_vector_outputs,)`` are the rows
    of bits that the latter are answered with. Equal conditions share a row. ``given_rows`` are
    those that no situation changes; ``arguments`` is what the kernel takes besides.
    """

    n_candidates: int
    n_situation_columns: int
    scalar_outputs: NDArray[np.intp]
    vector_outputs: NDArray[np.intp]
    vector_rows: NDArray[np.intp]
    given_rows: NDArray[np.uint64]
    arguments: tuple[Any, ...]

    def new_rows(self) -> NDArray[np.uint64]:
        """Return rows to run with, ``(n_rows, 2 * n_words)``; they can be used again and again."""
        *_, packed, bit_code, _ = self.arguments
        n_given, width = self.given_rows.shape
        rows = np.zeros((n_given + len(packed) + len(bit_code), width), dtype=np.uint64)
        rows[:n_given] = self.given_rows
        return rows

    def run_bits(
        self, situation: NDArray[np.float64], rows: NDArray[np.uint64]
    ) -> NDArray[np.int8]:
        """Run for one situation ``(n_situation_columns,) float64``, contiguous, writing ``rows``.

        The first ``n_words`` of a row hold a bit for every candidate where the condition is true,
        the others where it is false. Returns the verdicts of the scalar outputs,
        ``(n_scalar_outputs,)``: 1 true, 0 false, -1 unknown. Raises :class:`ValueError` where the
        situation is shorter than the columns the program reads.
        """
        check_width(situation, self.n_situation_columns)
        verdicts: NDArray[np.int8] = run_bits(situation, rows, *self.arguments)
        return verdicts

    def verdicts(self, rows: NDArray[np.uint64]) -> NDArray[np.int8]:
        """Return the verdicts of the vector outputs, ``(n_vector_outputs, n_candidates)``."""
        n_words = word_count(self.n_candidates)
        chosen = rows[self.vector_rows]
        is_true = unpack(chosen[:, :n_words], self.n_candidates)
        is_false = unpack(chosen[:, n_words:], self.n_candidates)
        return np.where(is_true, 1, np.where(is_false, 0, -1)).astype(np.int8)


def compile_program(expressions: Sequence[Expression]) -> ConditionProgram:
    """Compile conditions to verdicts.

    Equal sub-expressions are shared across all of them. Raises
    :class:`~nba.expressions.types.ExpressionError` where an expression is not boolean or reads a
    string without an enumeration.
    """
    for expression in expressions:
        if expression.root.type is not ValueType.BOOL:
            raise ExpressionError(1, f"a {expression.root.type}", "a condition is a bool")
    builder = Builder()
    outputs = [builder.lower(expression.root) for expression in expressions]
    return ConditionProgram(builder, outputs)
