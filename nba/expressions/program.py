"""Expressions compiled together: equal sub-expressions are computed once, on arrays.

Work is sorted by how often it must be done. What needs only constants is computed when compiling;
what needs only candidates, when the program is bound to them (once a plan); what needs only the
situation, once a decision; and only what mixes both is run per decision and candidate. Operands of
``&&`` and ``||`` are regrouped along these lines, which Kleene's logic permits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from nba.expressions.machine import Op, execute, run
from nba.expressions.tree import (
    And,
    Calculate,
    Choose,
    Compare,
    Comparison,
    Expression,
    Has,
    In,
    Literal,
    Negate,
    Node,
    Not,
    Operation,
    Or,
    Read,
)
from nba.expressions.types import ExpressionError, Level, Symbol, ValueType

_COMMUTATIVE = frozenset({Op.AND, Op.OR, Op.EQUAL, Op.ADD, Op.MULTIPLY})
_CALCULATE = {
    Operation.ADD: Op.ADD,
    Operation.SUBTRACT: Op.SUBTRACT,
    Operation.MULTIPLY: Op.MULTIPLY,
    Operation.DIVIDE: Op.DIVIDE,
}


class _Needs(IntFlag):
    """What a value depends on."""

    CONSTANT = 0
    SITUATION = 1
    CANDIDATE = 2
    MIXED = 3


_Value = tuple[_Needs, str, int]
"""A value before it has an address: what it needs, its kind (constant, column, result), its
position among that kind."""


class Program:
    """Expressions compiled to instructions; see :func:`compile_program`.

    ``n_instructions`` counts all, ``n_mixed_instructions`` those run per decision and candidate.
    ``scalar_outputs`` and ``vector_outputs`` are the output numbers, ascending, that are one value
    for all candidates, and one value each.
    """

    def __init__(self, builder: _Builder, outputs: Sequence[_Value]) -> None:
        self.n_outputs = len(outputs)
        code = builder.code
        self.n_instructions = sum(len(rows) for rows in code.values())
        self.n_mixed_instructions = len(code[_Needs.MIXED])
        loads = builder.columns[_Needs.SITUATION]
        self._candidate_loads = np.array(builder.columns[_Needs.CANDIDATE], dtype=np.intp)
        n_constants = len(builder.constants)
        n_folded = len(code[_Needs.CONSTANT])
        n_scalars = n_constants + len(loads) + n_folded + len(code[_Needs.SITUATION])
        n_candidate_columns = len(self._candidate_loads)
        starts = {
            (_Needs.CONSTANT, "constant"): 0,
            (_Needs.CONSTANT, "result"): n_constants,
            (_Needs.SITUATION, "column"): n_constants + n_folded,
            (_Needs.SITUATION, "result"): n_constants + n_folded + len(loads),
            (_Needs.CANDIDATE, "column"): n_scalars,
            (_Needs.CANDIDATE, "result"): n_scalars + n_candidate_columns,
            (_Needs.MIXED, "result"): (
                n_scalars + n_candidate_columns + len(code[_Needs.CANDIDATE])
            ),
        }

        def address(value: _Value) -> int:
            return starts[value[0], value[1]] + value[2]

        def assemble(needs: _Needs) -> NDArray[np.int32]:
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
            assemble(_Needs.CONSTANT),
            self._tables,
            self._template,
            np.empty((0, 1)),
            folded,
            0,
            1,
        )
        self._loads = np.array(loads, dtype=np.intp)
        self._layout = np.array(
            [starts[_Needs.SITUATION, "column"], starts[_Needs.SITUATION, "result"]], dtype=np.intp
        )
        self._situation_code = assemble(_Needs.SITUATION)
        self._candidate_code = assemble(_Needs.CANDIDATE)
        self._mixed_code = assemble(_Needs.MIXED)
        is_vector = [bool(value[0] & _Needs.CANDIDATE) for value in outputs]
        self.scalar_outputs = np.flatnonzero(np.logical_not(is_vector))
        self.vector_outputs = np.flatnonzero(is_vector)
        addresses = np.array([address(value) for value in outputs], dtype=np.intp)
        self._scalar_addresses = addresses[self.scalar_outputs]
        self._vector_addresses = addresses[self.vector_outputs]

    def bind(self, candidates: NDArray[np.float64]) -> BoundProgram:
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
                self._scalar_addresses,
                self._vector_addresses,
            ),
        )

    def run(
        self, situation: NDArray[np.float64], candidates: NDArray[np.float64]
    ) -> NDArray[np.int8]:
        """Bind and run at once.

        Returns ``(n_outputs, n_candidates) int8``: 1 true, 0 false, -1 unknown. To run often over
        the same candidates, :meth:`bind` once and use :meth:`BoundProgram.run`.
        """
        bound = self.bind(candidates)
        scalars, vectors = bound.run(situation)
        outputs = np.empty((self.n_outputs, bound.n_candidates), dtype=np.int8)
        outputs[self.scalar_outputs] = scalars[:, None]
        outputs[self.vector_outputs] = vectors
        return outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundProgram:
    """A program with its candidates fixed, as a plan keeps it.

    ``scalar_outputs`` and ``vector_outputs`` are the output numbers, ascending, that are one value
    for all candidates, and one value each.
    """

    n_candidates: int
    n_situation_columns: int
    scalar_outputs: NDArray[np.intp]
    vector_outputs: NDArray[np.intp]
    arguments: tuple[NDArray[np.generic], ...]

    def run(self, situation: NDArray[np.float64]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Run for one situation ``(n_situation_columns,) float64``, contiguous.

        Returns ``(n_scalar_outputs,) int8`` and ``(n_vector_outputs, n_candidates) int8``: 1 true,
        0 false, -1 unknown. Nothing is broadcast. Raises :class:`ValueError` where the row is
        shorter than the columns the program reads, which the kernel itself would not notice.
        """
        if len(situation) < self.n_situation_columns:
            raise ValueError(
                f"a situation of {len(situation)} columns; {self.n_situation_columns} are read"
            )
        result: tuple[NDArray[np.int8], NDArray[np.int8]] = run(situation, *self.arguments)
        return result


def compile_program(expressions: Sequence[Expression]) -> Program:
    """Compile boolean expressions, sharing equal sub-expressions across all of them.

    Raises :class:`~nba.expressions.types.ExpressionError` where an expression is not boolean or
    reads a string without an enumeration.
    """
    builder = _Builder()
    outputs = []
    for expression in expressions:
        if expression.root.type is not ValueType.BOOL:
            raise ExpressionError(1, f"a {expression.root.type}", "only a bool can be compiled")
        outputs.append(builder.lower(expression.root))
    return Program(builder, outputs)


class _Builder:
    """Collects constants, columns and instructions, each once."""

    def __init__(self) -> None:
        self.constants: list[float] = []
        self.columns: Mapping[_Needs, list[int]] = {_Needs.SITUATION: [], _Needs.CANDIDATE: []}
        self.code: Mapping[_Needs, list[tuple[Op, tuple[_Value | int, ...]]]] = {
            needs: [] for needs in _Needs.__members__.values()
        }
        self.tables: list[float] = []
        self._known: dict[object, _Value] = {}
        self._slices: dict[tuple[float, ...], int] = {}
        self._strings: dict[str, int] = {}

    def lower(self, node: Node) -> _Value:  # noqa: C901, PLR0911 - one case a node
        """Return the value of a node; strings become numbers interned over the whole program."""
        match node:
            case Literal(constant):
                return self._constant(self._intern(constant))
            case Read(symbol):
                value = self._column(symbol)
                if symbol.type is not ValueType.STRING:
                    return value
                return self._map(value, [self._intern(text) for text in _enumeration(symbol)])
            case Has(symbol):
                return self._emit(Op.HAS, self._column(symbol))
            case Not(operand):
                return self._emit(Op.NOT, self.lower(operand))
            case And(operands):
                return self._fold(Op.AND, operands)
            case Or(operands):
                return self._fold(Op.OR, operands)
            case Compare(comparison, left, right):
                return self._compare(comparison, left, right)
            case In(operand, literals):
                return self._in(operand, literals)
            case Negate(operand):
                return self._emit(Op.SUBTRACT, self._constant(0.0), self.lower(operand))
            case Calculate(operation, left, right):
                return self._emit(_CALCULATE[operation], self.lower(left), self.lower(right))
            case Choose(condition, then, otherwise):
                parts = [self.lower(part) for part in (condition, then, otherwise)]
                return self._emit(Op.CHOOSE, *parts)

    def _compare(self, comparison: Comparison, left: Node, right: Node) -> _Value:
        match comparison:
            case Comparison.LESS:
                return self._emit(Op.LESS, self.lower(left), self.lower(right))
            case Comparison.LESS_EQUAL:
                return self._emit(Op.LESS_EQUAL, self.lower(left), self.lower(right))
            case Comparison.GREATER:
                return self._emit(Op.LESS, self.lower(right), self.lower(left))
            case Comparison.GREATER_EQUAL:
                return self._emit(Op.LESS_EQUAL, self.lower(right), self.lower(left))
            case Comparison.NOT_EQUAL:
                return self._emit(Op.NOT, self._equal(left, right))
            case Comparison.EQUAL:
                return self._equal(left, right)

    def _equal(self, left: Node, right: Node) -> _Value:
        for symbol_side, literal_side in ((left, right), (right, left)):
            if _is_enumerated(symbol_side) and isinstance(literal_side, Literal):
                return self._in(symbol_side, (literal_side,))
        return self._emit(Op.EQUAL, self.lower(left), self.lower(right))

    def _in(self, operand: Node, literals: Sequence[Literal]) -> _Value:
        if isinstance(operand, Read) and _is_enumerated(operand):
            listed = {literal.value for literal in literals}
            table = [float(text in listed) for text in _enumeration(operand.symbol)]
            return self._map(self._column(operand.symbol), table)
        value = self.lower(operand)
        listed_numbers = tuple(sorted({self._intern(literal.value) for literal in literals}))
        return self._emit(Op.IN, value, self._table(listed_numbers), len(listed_numbers))

    def _map(self, value: _Value, table: Sequence[float]) -> _Value:
        return self._emit(Op.MAP, value, self._table(tuple(table)), len(table))

    def _fold(self, op: Op, operands: Sequence[Node]) -> _Value:
        """Chain an associative operator, values of one level first, equal operands once."""
        values = sorted({self.lower(operand) for operand in operands})
        groups = [list(group) for _, group in groupby(values, key=lambda value: value[0])]
        return self._chain(op, [self._chain(op, group) for group in groups])

    def _chain(self, op: Op, values: Sequence[_Value]) -> _Value:
        first, *rest = values
        for value in rest:
            first = self._emit(op, first, value)
        return first

    def _intern(self, value: float | str) -> float:
        if isinstance(value, str):
            return float(self._strings.setdefault(value, len(self._strings)))
        return float(value)

    def _constant(self, value: float) -> _Value:
        key = ("constant", value)
        if key not in self._known:
            self._known[key] = (_Needs.CONSTANT, "constant", len(self.constants))
            self.constants.append(value)
        return self._known[key]

    def _column(self, symbol: Symbol) -> _Value:
        is_situation = symbol.level is Level.SITUATION
        needs = _Needs.SITUATION if is_situation else _Needs.CANDIDATE
        key = ("column", needs, symbol.column)
        if key not in self._known:
            self._known[key] = (needs, "column", len(self.columns[needs]))
            self.columns[needs].append(symbol.column)
        return self._known[key]

    def _table(self, values: tuple[float, ...]) -> int:
        if values not in self._slices:
            self._slices[values] = len(self.tables)
            self.tables.extend(values)
        return self._slices[values]

    def _emit(self, op: Op, *arguments: _Value | int) -> _Value:
        operands = [item for item in arguments if isinstance(item, tuple)]
        if op in _COMMUTATIVE:
            arguments = tuple(sorted(operands))
        key = (op, arguments)
        if key not in self._known:
            needs = _Needs.CONSTANT
            for operand in operands:
                needs |= operand[0]
            self._known[key] = (needs, "result", len(self.code[needs]))
            self.code[needs].append((op, arguments))
        return self._known[key]


def _is_enumerated(node: Node) -> bool:
    return isinstance(node, Read) and node.symbol.type is ValueType.STRING


def _enumeration(symbol: Symbol) -> tuple[str, ...]:
    if not symbol.values:
        found = f"{symbol.path} is a string without a list of values"
        raise ExpressionError(1, found, "declare it as an enum to use it in a policy")
    return symbol.values
