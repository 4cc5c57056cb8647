"""Expressions compiled together: equal sub-expressions are computed once, on arrays.

Work is sorted by how often it must be done. What needs only constants is computed when compiling;
what needs only candidates, when the program is bound to them (once a plan); what needs only the
situation, once a decision; and only what mixes both is run per decision and candidate.

A program gives either verdicts (:func:`compile_program`) or values (:func:`compile_values`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nba.expressions.lowering import Builder, Needs, Place
from nba.expressions.machine import execute, run, run_rows
from nba.expressions.tree import Expression
from nba.expressions.types import ExpressionError, ValueType

Output = TypeVar("Output", bound=np.int8 | np.float64)
"""What a program answers with: verdicts or values."""


class Program(Generic[Output]):
    """Expressions compiled to instructions; see :func:`compile_program`, :func:`compile_values`.

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

        def address(value: Place) -> int:
            return starts[value[0], value[1]] + value[2]

        def assemble(needs: Needs) -> NDArray[np.int32]:
            rows = [
                [op, *(address(item) if isinstance(item, tuple) else item for item in arguments)]
                for op, arguments in code[needs]
            ]
            padded = [[*row, *[0] * (4 - len(row))] for row in rows]
            return np.array(padded, dtype=np.int32).reshape(-1, 4)

        self._tables = np.array(builder.tables, dtype=np.float64)
        self._template = np.zeros(n_scalars)
        self._template[:n_constants] = builder.constants
        folded = self._template[n_constants : n_constants + n_folded].reshape(-1, 1)
        execute(
            assemble(Needs.CONSTANT),
            self._tables,
            self._template,
            np.empty((0, 1)),
            folded,
            0,
            1,
        )
        self._loads = np.array(loads, dtype=np.intp)
        self._layout = np.array(
            [starts[Needs.SITUATION, "column"], starts[Needs.SITUATION, "result"]], dtype=np.intp
        )
        self._situation_code = assemble(Needs.SITUATION)
        self._candidate_code = assemble(Needs.CANDIDATE)
        self._mixed_code = assemble(Needs.MIXED)
        is_vector = [bool(value[0] & Needs.CANDIDATE) for value in outputs]
        self.scalar_outputs = np.flatnonzero(np.logical_not(is_vector))
        self.vector_outputs = np.flatnonzero(is_vector)
        self._addresses = np.array([address(value) for value in outputs], dtype=np.intp)
        self._pattern: NDArray[Output] = np.empty(0, dtype=output_type)

    def bind(self, candidates: NDArray[np.float64]) -> BoundProgram[Output]:
        """Compute everything that depends on candidates ``(n_candidates, n_columns)`` alone."""
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
        return BoundProgram(
            n_candidates=n_candidates,
            n_situation_columns=1 + max(self._loads.tolist(), default=-1),
            scalar_outputs=self.scalar_outputs,
            vector_outputs=self.vector_outputs,
            arguments=(
                self._template,
                self._layout,
                self._loads,
                self._situation_code,
                self._mixed_code,
                self._tables,
                fixed,
                self._addresses[self.scalar_outputs],
                self._addresses[self.vector_outputs],
                self._pattern,
            ),
        )

    def run(
        self, situation: NDArray[np.float64], candidates: NDArray[np.float64]
    ) -> NDArray[Output]:
        """Bind and run at once.

        Returns ``(n_outputs, n_candidates)`` verdicts or values. To run often over the same
        candidates, :meth:`bind` once and use :meth:`BoundProgram.run`.
        """
        bound = self.bind(candidates)
        scalars, vectors = bound.run(situation)
        outputs = np.empty((self.n_outputs, bound.n_candidates), dtype=self._pattern.dtype)
        outputs[self.scalar_outputs] = scalars[:, None]
        outputs[self.vector_outputs] = vectors
        return outputs

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
            self._addresses,
            self._pattern,
        )
        return outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundProgram(Generic[Output]):
    """A program with its candidates fixed, as a plan keeps it.

    ``scalar_outputs`` and ``vector_outputs`` are the output numbers, ascending, that are one value
    for all candidates, and one value each.
    """

    n_candidates: int
    n_situation_columns: int
    scalar_outputs: NDArray[np.intp]
    vector_outputs: NDArray[np.intp]
    arguments: tuple[NDArray[np.generic], ...]

    def run(self, situation: NDArray[np.float64]) -> tuple[NDArray[Output], NDArray[Output]]:
        """Run for one situation ``(n_situation_columns,) float64``, contiguous.

        Returns ``(n_scalar_outputs,)`` and ``(n_vector_outputs, n_candidates)`` verdicts or values.
        Nothing is broadcast. Raises :class:`ValueError` where the row is shorter than the columns
        the program reads, which the kernel itself would not notice.
        """
        if len(situation) < self.n_situation_columns:
            raise ValueError(
                f"a situation of {len(situation)} columns; {self.n_situation_columns} are read"
            )
        result: tuple[NDArray[Output], NDArray[Output]] = run(situation, *self.arguments)
        return result


def compile_program(expressions: Sequence[Expression]) -> Program[np.int8]:
    """Compile conditions to verdicts: int8, 1 true, 0 false, -1 unknown.

    Equal sub-expressions are shared across all of them. Raises
    :class:`~nba.expressions.types.ExpressionError` where an expression is not boolean or reads a
    string without an enumeration.
    """
    for expression in expressions:
        if expression.root.type is not ValueType.BOOL:
            raise ExpressionError(1, f"a {expression.root.type}", "a condition is a bool")
    return _compile(expressions, np.int8)


def compile_values(expressions: Sequence[Expression]) -> Program[np.float64]:
    """Compile number and bool expressions to values: float64, NaN where unknown, bools 0 and 1.

    A value is never infinite unless a symbol is: division by zero and overflow are unknown.
    Equal sub-expressions are shared across all of them. Raises
    :class:`~nba.expressions.types.ExpressionError` where an expression is a string or reads one
    without an enumeration.
    """
    for expression in expressions:
        if expression.root.type is ValueType.STRING:
            raise ExpressionError(1, "a string", "a value is a number or a bool")
    return _compile(expressions, np.float64)


def _compile(expressions: Sequence[Expression], output_type: type[Output]) -> Program[Output]:
    builder = Builder()
    outputs = [builder.lower(expression.root) for expression in expressions]
    return Program(builder, outputs, output_type)
