"""Expressions compiled together: equal sub-expressions are computed once, on arrays.

Work is sorted by how often it must be done. What needs only constants is computed when compiling;
what needs only candidates, when the program is bound to them (once a plan); what needs only the
situation, once a decision; and only what mixes both is run per decision and candidate.

A program gives either values (:func:`compile_values`), here, or verdicts
(:func:`~nba.expressions.conditions.compile_program`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nba.expressions.lowering import Builder, Instruction, Needs, Place
from nba.expressions.machine import execute, execute_scalars, run_rows, run_values
from nba.expressions.tree import Expression
from nba.expressions.types import ExpressionError, ValueType

Output = TypeVar("Output", bound=np.int8 | np.float64)
"""What a program answers with: verdicts or values."""

FloatArray = NDArray[np.float64]


class Program(Generic[Output]):
    """Expressions compiled to instructions: what values and conditions have in common.

    ``n_instructions`` counts all, ``n_mixed_instructions`` those run per decision and candidate.
    ``scalar_outputs`` and ``vector_outputs`` are the output numbers, ascending, that are one value
    for all candidates, and one value each.
    """

    def __init__(
        self, builder: Builder, outputs: Sequence[Place], output_type: type[Output]
    ) -> None:
        self.n_outputs = len(outputs)
        code = builder.code
        self.n_instructions = sum(len(rows) for rows in code.values())
        self.n_mixed_instructions = len(code[Needs.MIXED])
        loads = builder.columns[Needs.SITUATION]
        self._candidate_loads = np.array(builder.columns[Needs.CANDIDATE], dtype=np.intp)
        n_constants = len(builder.constants)
        n_folded = len(code[Needs.CONSTANT])
        n_scalars = n_constants + len(loads) + n_folded + len(code[Needs.SITUATION])
        n_candidate_columns = len(self._candidate_loads)
        starts = {
            (Needs.CONSTANT, "constant"): 0,
            (Needs.CONSTANT, "result"): n_constants,
            (Needs.SITUATION, "column"): n_constants + n_folded,
            (Needs.SITUATION, "result"): n_constants + n_folded + len(loads),
            (Needs.CANDIDATE, "column"): n_scalars,
            (Needs.CANDIDATE, "result"): n_scalars + n_candidate_columns,
            (Needs.MIXED, "result"): n_scalars + n_candidate_columns + len(code[Needs.CANDIDATE]),
        }
        self._starts: Mapping[tuple[Needs, str], int] = starts
        self._tables = np.array(builder.tables, dtype=np.float64)
        self._template = np.zeros(n_scalars)
        self._template[:n_constants] = builder.constants
        folding = self._assemble(code[Needs.CONSTANT])
        execute_scalars(folding, self._tables, self._template, n_constants)
        self._loads = np.array(loads, dtype=np.intp)
        self._layout = np.array(
            [starts[Needs.SITUATION, "column"], starts[Needs.SITUATION, "result"]], dtype=np.intp
        )
        self._n_situation_columns = 1 + max(loads, default=-1)
        self._situation_code = self._assemble(code[Needs.SITUATION])
        self._candidate_code = self._assemble(code[Needs.CANDIDATE])
        is_vector = [bool(value[0] & Needs.CANDIDATE) for value in outputs]
        self.scalar_outputs = np.flatnonzero(np.logical_not(is_vector))
        self.vector_outputs = np.flatnonzero(is_vector)
        self._scalar_addresses = np.array(
            [self._address(outputs[number]) for number in self.scalar_outputs.tolist()],
            dtype=np.intp,
        )
        on_rows = [] if loads else outputs
        self._row_addresses = np.array([self._address(place) for place in on_rows], dtype=np.intp)
        self._pattern: NDArray[Output] = np.empty(0, dtype=output_type)

    def _address(self, place: Place) -> int:
        return self._starts[place[0], place[1]] + place[2]

    def _assemble(self, code: Sequence[Instruction]) -> NDArray[np.int32]:
        rows = [
            [op, *(self._address(item) if isinstance(item, tuple) else item for item in arguments)]
            for op, arguments in code
        ]
        padded = [[*row, *[0] * (4 - len(row))] for row in rows]
        return np.array(padded, dtype=np.int32).reshape(-1, 4)

    def _fix(self, candidates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the vectors that need candidates alone, columns first, ``(n, n_candidates)``."""
        n_candidates = len(candidates)
        n_columns = len(self._candidate_loads)
        fixed = np.empty((n_columns + len(self._candidate_code), n_candidates))
        if n_columns:
            fixed[:n_columns] = candidates[:, self._candidate_loads].T
        execute(
            self._candidate_code,
            self._tables,
            self._template,
            fixed,
            fixed[n_columns:],
            0,
            n_candidates,
        )
        return fixed

    def run_rows(self, rows: NDArray[np.float64]) -> NDArray[Output]:
        """Run once over rows that are all there is: the candidate level alone, no situation.

        A few rows cost microseconds; of millions, only a block at a time is held besides the rows
        and the answer.

        Parameters
        ----------
        rows
            ``(n_rows, n_columns) float64``, indexed by the columns of candidate symbols.

        Returns
        -------
        NDArray
            ``(n_outputs, n_rows)`` verdicts or values.

        Raises
        ------
        ValueError
            The program reads the situation, or a column that the rows do not have.
        """
        if len(self._loads):
            raise ValueError("a program that reads the situation cannot run over rows alone")
        n_columns = 1 + max(self._candidate_loads.tolist(), default=-1)
        if rows.shape[1] < n_columns:
            raise ValueError(f"rows of {rows.shape[1]} columns; {n_columns} are read")
        outputs: NDArray[Output] = run_rows(
            # One type, layout and writability, so that one compiled kernel serves all.
            np.require(rows, np.float64, ["C", "W"]),
            self._template,
            self._candidate_loads,
            self._candidate_code,
            self._tables,
            self._row_addresses,
            self._pattern,
        )
        return outputs


class ValueProgram(Program[np.float64]):
    """Number and bool expressions, compiled; see :func:`compile_values`."""

    def __init__(self, builder: Builder, outputs: Sequence[Place]) -> None:
        super().__init__(builder, outputs, np.float64)
        self._mixed_code = self._assemble(builder.code[Needs.MIXED])
        self._vector_addresses = np.array(
            [self._address(outputs[number]) for number in self.vector_outputs.tolist()],
            dtype=np.intp,
        )

    def bind(self, candidates: NDArray[np.float64]) -> BoundValues:
        """Compute everything that depends on candidates ``(n_candidates, n_columns)`` alone."""
        return BoundValues(
            n_candidates=len(candidates),
            n_situation_columns=self._n_situation_columns,
            arguments=(
                self._template,
                self._layout,
                self._loads,
                self._situation_code,
                self._mixed_code,
                self._tables,
                self._fix(candidates),
                self._scalar_addresses,
                self._vector_addresses,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundValues:
    """Values with their candidates fixed."""

    n_candidates: int
    n_situation_columns: int
    arguments: tuple[NDArray[np.generic], ...]

    def run(self, situation: NDArray[np.float64]) -> tuple[FloatArray, FloatArray]:
        """Run for one situation ``(n_situation_columns,) float64``, contiguous.

        Returns the program's scalar outputs ``(n_scalar_outputs,)`` and its vector outputs
        ``(n_vector_outputs, n_candidates)``, NaN where unknown. Raises :class:`ValueError` where
        the row is shorter than the columns the program reads.
        """
        check_width(situation, self.n_situation_columns)
        result: tuple[FloatArray, FloatArray] = run_values(situation, *self.arguments)
        return result


def check_width(situation: NDArray[np.float64], n_columns: int) -> None:
    """Raise :class:`ValueError` where a row is too short, which no kernel would notice."""
    if len(situation) < n_columns:
        raise ValueError(f"a situation of {len(situation)} columns; {n_columns} are read")


def compile_values(expressions: Sequence[Expression]) -> ValueProgram:
    """Compile number and bool expressions to values: float64, NaN where unknown, bools 0 and 1.

    A value is never infinite unless a symbol is: division by zero and overflow are unknown.
    Equal sub-expressions are shared across all of them. Raises
    :class:`~nba.expressions.types.ExpressionError` where an expression is a string or reads one
    without an enumeration.
    """
    for expression in expressions:
        if expression.root.type is ValueType.STRING:
            raise ExpressionError(1, "a string", "a value is a number or a bool")
    builder = Builder()
    outputs = [builder.lower(expression.root) for expression in expressions]
    return ValueProgram(builder, outputs)
