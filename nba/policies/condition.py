"""What the kinds with a CEL condition share: eligibility, applicability and suitability.

Their conditions are compiled into one program, so that sub-expressions are shared among them.

A situation's numbers are kept as float32. So that ``customer.basket_value >= 19.99`` holds for the
19.99 that was given, a number compared with one of them is rounded as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nba.domain.policy import Missing
from nba.expressions import Expression, Level, Schema, ValueType, parse
from nba.expressions.tree import (
    And,
    Calculate,
    Choose,
    Compare,
    In,
    Literal,
    Negate,
    Node,
    Not,
    Or,
    Read,
)
from nba.policies.contents import CONTENT_SYMBOL
from nba.policies.kind import PolicyKind
from nba.policies.stage import Gate, Selected, Stage, Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionPolicy(PolicyKind):
    """A policy that keeps a candidate only where ``condition`` is true.

    ``condition`` is CEL over features, request, action and placement. Where it is unknown because
    a value is missing, ``missing`` decides.
    """

    condition: str
    missing: Missing = Missing.CLOSED

    @property
    def is_about_contents(self) -> bool:
        """Whether its selector or its condition names contents."""
        return self.applies_to.is_about_contents or CONTENT_SYMBOL in self.condition

    def sentence(self, cause: int) -> str:
        """Say which condition was not met, or could not be judged."""
        if cause == 0:
            return f"{self.description} (not met: {self.condition})"
        return f"{self.description} (data missing for: {self.condition})"


def parse_condition(source: str, schema: Schema) -> Expression:
    """Parse a condition, with the numbers compared with the situation's rounded as those are.

    Raises :class:`~nba.expressions.ExpressionError` where it is wrong.
    """
    expression = parse(source, schema)
    return replace(expression, root=_rounded(expression.root))


def _rounded(node: Node) -> Node:
    """Round constants to float32 where they stand against a number of the situation."""
    changes: dict[str, Any] = {}
    match node:
        case Compare(left=left, right=right):
            changes = {"left": _against(right, left), "right": _against(left, right)}
        case In(operand=operand, values=values) if _is_stored(operand):
            changes = {"values": tuple(_literal_as_stored(value) for value in values)}
        case Not(operand=operand) | Negate(operand=operand):
            changes = {"operand": _rounded(operand)}
        case And(operands=operands) | Or(operands=operands):
            changes = {"operands": tuple(_rounded(operand) for operand in operands)}
        case Calculate(left=left, right=right):
            changes = {"left": _rounded(left), "right": _rounded(right)}
        case Choose(condition=condition, then=then, otherwise=otherwise):
            branches = {"then": _rounded(then), "otherwise": _rounded(otherwise)}
            changes = {"condition": _rounded(condition), **branches}
    return replace(node, **changes)


def _is_stored(node: Node) -> bool:
    return (
        isinstance(node, Read)
        and node.type is ValueType.NUMBER
        and node.symbol.level is Level.SITUATION
    )


def _against(other: Node, node: Node) -> Node:
    """Round a node as it stands in a comparison with another."""
    match node:
        case Literal() if _is_stored(other):
            return _literal_as_stored(node)
        case Negate(operand=Literal() as literal) if _is_stored(other):
            return Negate(_literal_as_stored(literal))
        case _:
            return _rounded(node)


def _literal_as_stored(literal: Literal) -> Literal:
    with np.errstate(over="ignore"):
        return replace(literal, value=float(np.float32(literal.value)))


def compile_conditions(
    selected: Sequence[Selected[ConditionPolicy]], surroundings: Surroundings
) -> Stage:
    """Compile; raises :class:`~nba.expressions.ExpressionError` where a condition is wrong."""
    return Stage(
        tuple(
            Gate(
                policy=item.index,
                rows=item.rows,
                condition=parse_condition(item.policy.condition, surroundings.schema),
                open_if_unknown=item.policy.missing is Missing.OPEN,
            )
            for item in selected
        )
    )
