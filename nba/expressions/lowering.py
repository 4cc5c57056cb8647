"""From the typed tree to a list of instructions, each distinct one once.

Values are named by what they need and where they come from; the program gives them addresses
(:mod:`nba.expressions.program`). Operands of ``&&`` and ``||`` are regrouped by what they need,
which Kleene's logic permits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntFlag
from itertools import groupby

from nba.expressions.machine import Op
from nba.expressions.tree import (
    And,
    Calculate,
    Choose,
    Compare,
    Comparison,
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


class Needs(IntFlag):
    """What a value depends on."""

    CONSTANT = 0
    SITUATION = 1
    CANDIDATE = 2
    MIXED = 3


Place = tuple[Needs, str, int]
"""A value before it has an address: what it needs, its kind (constant, column, result), its
position among that kind."""

Instruction = tuple[Op, tuple[Place | int, ...]]
"""An operation, and its operands or its slice of the tables."""


class Builder:
    """Collects constants, columns and instructions, each once.

    ``constants`` are their values, ``columns`` those read at each level, ``code`` the instructions
    by what they need, and ``tables`` the numbers that ``MAP`` and ``IN`` look up. ``bools`` are the
    values that are asked for as bools.
    """

    def __init__(self) -> None:
        self.constants: list[float] = []
        self.columns: Mapping[Needs, list[int]] = {Needs.SITUATION: [], Needs.CANDIDATE: []}
        self.code: Mapping[Needs, list[Instruction]] = {
            needs: [] for needs in Needs.__members__.values()
        }
        self.tables: list[float] = []
        self.bools: set[Place] = set()
        self._known: dict[object, Place] = {}
        self._slices: dict[tuple[float, ...], int] = {}
        self._strings: dict[str, int] = {}

    def lower(self, node: Node) -> Place:
        """Return the value of a node; strings become numbers interned over the whole program."""
        place = self._lower(node)
        if node.type is ValueType.BOOL:
            self.bools.add(place)
        return place

    def _lower(self, node: Node) -> Place:  # noqa: C901, PLR0911 - one case a node
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

    def _compare(self, comparison: Comparison, left: Node, right: Node) -> Place:
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

    def _equal(self, left: Node, right: Node) -> Place:
        for symbol_side, literal_side in ((left, right), (right, left)):
            if _is_enumerated(symbol_side) and isinstance(literal_side, Literal):
                return self._in(symbol_side, (literal_side,))
        return self._emit(Op.EQUAL, self.lower(left), self.lower(right))

    def _in(self, operand: Node, literals: Sequence[Literal]) -> Place:
        if isinstance(operand, Read) and _is_enumerated(operand):
            listed = {literal.value for literal in literals}
            table = [float(text in listed) for text in _enumeration(operand.symbol)]
            return self._map(self._column(operand.symbol), table)
        value = self.lower(operand)
        listed_numbers = tuple(sorted({self._intern(literal.value) for literal in literals}))
        return self._emit(Op.IN, value, self._table(listed_numbers), len(listed_numbers))

    def _map(self, value: Place, table: Sequence[float]) -> Place:
        return self._emit(Op.MAP, value, self._table(tuple(table)), len(table))

    def _fold(self, op: Op, operands: Sequence[Node]) -> Place:
        """Chain an associative operator, values of one level first, equal operands once."""
        values = sorted({self.lower(operand) for operand in operands})
        groups = [list(group) for _, group in groupby(values, key=lambda value: value[0])]
        return self._chain(op, [self._chain(op, group) for group in groups])

    def _chain(self, op: Op, values: Sequence[Place]) -> Place:
        first, *rest = values
        for value in rest:
            first = self._emit(op, first, value)
        return first

    def _intern(self, value: float | str) -> float:
        if isinstance(value, str):
            return float(self._strings.setdefault(value, len(self._strings)))
        return float(value)

    def _constant(self, value: float) -> Place:
        key = ("constant", value)
        if key not in self._known:
            self._known[key] = (Needs.CONSTANT, "constant", len(self.constants))
            self.constants.append(value)
        return self._known[key]

    def _column(self, symbol: Symbol) -> Place:
        is_situation = symbol.level is Level.SITUATION
        needs = Needs.SITUATION if is_situation else Needs.CANDIDATE
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

    def _emit(self, op: Op, *arguments: Place | int) -> Place:
        operands = [item for item in arguments if isinstance(item, tuple)]
        if op in _COMMUTATIVE:
            arguments = tuple(sorted(operands))
        key = (op, arguments)
        if key not in self._known:
            needs = Needs.CONSTANT
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
