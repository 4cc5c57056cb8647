"""The reference meaning of an expression: a plain walk over its tree, slow and obvious.

Logic is Kleene's: ``false && unknown`` is false, ``true || unknown`` is true, everything else that
needs a missing operand is unknown. Division by zero, and arithmetic whose result is not a finite
number, is unknown: no value is ever made infinite. Deviations from CEL: ``int`` and ``double`` are
one number type, and what CEL answers with an error or an infinity is answered with unknown.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import assert_never

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

Value = float | str | bool | None

_COMPARE: Mapping[Comparison, Callable[[float, float], bool]] = {
    Comparison.LESS: operator.lt,
    Comparison.LESS_EQUAL: operator.le,
    Comparison.GREATER: operator.gt,
    Comparison.GREATER_EQUAL: operator.ge,
}
_CALCULATE: Mapping[Operation, Callable[[float, float], float]] = {
    Operation.ADD: operator.add,
    Operation.SUBTRACT: operator.sub,
    Operation.MULTIPLY: operator.mul,
    Operation.DIVIDE: operator.truediv,
}


def interpret(expression: Expression, values: Mapping[str, Value]) -> Value:
    """Return the value of an expression; ``None`` is unknown.

    Parameters
    ----------
    expression
        A type-checked expression.
    values
        Values by symbol path, of the symbol's type; an absent path, ``None`` and NaN are missing.
        A set (``"x" in action.terms``) is read as one boolean per word, by
        :func:`nba.expressions.member_path`.
    """
    return _value(expression.root, values)


def _value(  # noqa: C901, PLR0911 - one case a node
    node: Node, values: Mapping[str, Value]
) -> Value:
    match node:
        case Literal(value):
            return value
        case Read(symbol):
            return _present(values.get(symbol.path))
        case Has(symbol):
            return _present(values.get(symbol.path)) is not None
        case Not(operand):
            found = _value(operand, values)
            return None if found is None else not found
        case And(operands):
            return _all([_value(operand, values) for operand in operands])
        case Or(operands):
            inverse = _all([_inverse(_value(operand, values)) for operand in operands])
            return _inverse(inverse)
        case Compare(comparison, left, right):
            return _compare(comparison, _value(left, values), _value(right, values))
        case In(operand, literals):
            found = _value(operand, values)
            return None if found is None else found in [literal.value for literal in literals]
        case Negate(operand):
            return _calculate(Operation.SUBTRACT, 0.0, _value(operand, values))
        case Calculate(operation, left, right):
            return _calculate(operation, _value(left, values), _value(right, values))
        case Choose(condition, then, otherwise):
            chosen = _value(condition, values)
            return None if chosen is None else _value(then if chosen else otherwise, values)
    assert_never(node)


def _present(value: Value) -> Value:
    return None if isinstance(value, float) and math.isnan(value) else value


def _inverse(value: Value) -> Value:
    return None if value is None else not value


def _all(found: list[Value]) -> Value:
    if any(value is not None and not value for value in found):
        return False
    return None if None in found else True


def _compare(comparison: Comparison, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    if comparison is Comparison.EQUAL:
        return left == right
    if comparison is Comparison.NOT_EQUAL:
        return left != right
    return _COMPARE[comparison](float(left), float(right))


def _calculate(operation: Operation, left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    divisor = float(right)
    if operation is Operation.DIVIDE and divisor == 0.0:
        return None
    result = _CALCULATE[operation](float(left), divisor)
    return result if math.isfinite(result) else None
