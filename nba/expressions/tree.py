"""The typed syntax tree: frozen, hashable, and equal where the meaning is equal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from nba.expressions.types import Symbol, ValueType


class Comparison(StrEnum):
    """Operators on two values that answer a bool."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="


class Operation(StrEnum):
    """Operators on two numbers that answer a number."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: float | str | bool
    type: ValueType


@dataclass(frozen=True, slots=True)
class Read:
    """The value of a symbol."""

    symbol: Symbol

    @property
    def type(self) -> ValueType:
        """The symbol's type."""
        return self.symbol.type


@dataclass(frozen=True, slots=True)
class Has:
    """``has(path)``: whether the symbol has a value; never unknown itself."""

    symbol: Symbol
    type: ValueType = ValueType.BOOL


@dataclass(frozen=True, slots=True)
class Not:
    """Logical negation."""

    operand: Node
    type: ValueType = ValueType.BOOL


@dataclass(frozen=True, slots=True)
class And:
    """Kleene conjunction of two or more operands."""

    operands: tuple[Node, ...]
    type: ValueType = ValueType.BOOL


@dataclass(frozen=True, slots=True)
class Or:
    """Kleene disjunction of two or more operands."""

    operands: tuple[Node, ...]
    type: ValueType = ValueType.BOOL


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison of two values of one type."""

    comparison: Comparison
    left: Node
    right: Node
    type: ValueType = ValueType.BOOL


@dataclass(frozen=True, slots=True)
class In:
    """Whether a value is one of a list of constants of its type."""

    operand: Node
    values: tuple[Literal, ...]
    type: ValueType = ValueType.BOOL


@dataclass(frozen=True, slots=True)
class Negate:
    """Unary minus."""

    operand: Node
    type: ValueType = ValueType.NUMBER


@dataclass(frozen=True, slots=True)
class Calculate:
    """Arithmetic on two numbers; division by zero is unknown."""

    operation: Operation
    left: Node
    right: Node
    type: ValueType = ValueType.NUMBER


@dataclass(frozen=True, slots=True)
class Choose:
    """``condition ? then : otherwise``, of the type of both branches."""

    condition: Node
    then: Node
    otherwise: Node

    @property
    def type(self) -> ValueType:
        """The type of both branches."""
        return self.then.type


Node = Literal | Read | Has | Not | And | Or | Compare | In | Negate | Calculate | Choose


@dataclass(frozen=True, slots=True)
class Expression:
    """A type-checked expression and the text it was written as."""

    source: str
    root: Node

    @property
    def symbols(self) -> frozenset[Symbol]:
        """Every symbol it reads or asks for."""
        return frozenset(node.symbol for node in walk(self.root) if isinstance(node, Read | Has))


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct operands of a node, left to right."""
    match node:
        case Literal() | Read() | Has():
            return ()
        case Not(operand) | Negate(operand):
            return (operand,)
        case In(operand, values):
            return (operand, *values)
        case And(operands) | Or(operands):
            return operands
        case Compare(_, left, right) | Calculate(_, left, right):
            return (left, right)
        case Choose(condition, then, otherwise):
            return (condition, then, otherwise)


def walk(node: Node) -> Iterator[Node]:
    """Iterate over a node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)
