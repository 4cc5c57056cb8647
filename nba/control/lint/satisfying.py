"""Whether rules can all be met at once, by reasoning over their syntax trees.

A world says what each symbol can still be, and whether it is there. Demanding that a condition be
true (or false, or unknown) of a world leaves some narrower worlds, or none. What cannot be reasoned
about, such as arithmetic, narrows nothing: rules are called contradictory only where no data
whatever meets them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import NamedTuple

from nba.control.lint.values import Constant, Names, Numbers, Values, denied, flipped
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
    Or,
    Read,
    walk,
)
from nba.expressions.types import Symbol, ValueType

MOST_WORLDS = 64
"""Where a condition would split a world into more, it is left whole."""

_MOST_STEPS = 2_000
"""After so many rules applied in vain, rules are taken to be met by somebody."""


@dataclass(frozen=True)
class Rule:
    """A condition, and whether it lets pass where it is unknown."""

    root: Node
    open_if_unknown: bool = False

    @cached_property
    def is_relational(self) -> bool:
        """Whether it compares two symbols with each other."""
        return any(
            isinstance(node, Compare)
            and isinstance(node.left, Read)
            and isinstance(node.right, Read)
            for node in walk(self.root)
        )


class Known(NamedTuple):
    """A symbol's values where it is there, and whether it is; ``None`` is not known."""

    values: Values
    present: bool | None = None


World = Mapping[str, Known]


def known(value: Constant | None) -> Known:
    """Return what is known of a symbol whose value is given, or that is missing (``None``)."""
    if value is None:
        return Known(Names(), present=False)
    if isinstance(value, bool | str):
        return Known(Names.only(value), present=True)
    return Known(Numbers.only(value), present=True)


def contradictory(rules: Sequence[Rule], given: World | None = None) -> bool:
    """Say whether no data meets all rules; ``given`` is what is known beforehand.

    ``False`` where that could not be shown.
    """
    # A comparison of two symbols says more once both have been narrowed.
    demands = [*rules, *rules] if any(rule.is_relational for rule in rules) else rules
    waiting: list[tuple[int, World]] = [(0, given or {})]
    for _ in range(_MOST_STEPS):
        if not waiting:
            return True
        position, world = waiting.pop()
        if position == len(demands):
            return False
        left = _passing(demands[position], world)
        waiting.extend((position + 1, one) for one in reversed(left))
    return False


def conflict(rules: Sequence[Rule], given: World | None = None) -> list[int]:
    """Return which of contradictory rules contradict each other: none of them can be left out."""
    kept = list(range(len(rules)))
    for index in range(len(rules)):
        fewer = [other for other in kept if other != index]
        if contradictory([rules[other] for other in fewer], given):
            kept = fewer
    return kept


def _passing(rule: Rule, world: World) -> list[World]:
    worlds = _where(rule.root, truth=True, world=world)
    if rule.open_if_unknown:
        worlds = worlds + _unknown(rule.root, world)
    return _bounded(worlds, world)


def _where(  # noqa: C901, PLR0911 - one case a node
    node: Node, *, truth: bool, world: World
) -> list[World]:
    """Return the worlds in which a condition is true, or false."""
    match node:
        case Literal(value):
            return [world] if value is truth else []
        case Read(symbol):
            return _narrowed(world, symbol, Names.only(truth))
        case Has(symbol):
            return _presence(world, symbol, present=truth)
        case Not(operand):
            return _where(operand, truth=not truth, world=world)
        case And(operands) if truth:
            return _all(operands, truth=True, world=world)
        case Or(operands) if not truth:
            return _all(operands, truth=False, world=world)
        case And(operands) | Or(operands):
            found = (_where(operand, truth=truth, world=world) for operand in operands)
            return _bounded([one for worlds in found for one in worlds], world)
        case Compare(comparison, left, right):
            meant = comparison if truth else denied(comparison)
            return _compared(meant, left, right, world)
        case In(operand, values):
            return _among(operand, [value.value for value in values], truth=truth, world=world)
        case Choose(condition, then, otherwise):
            chosen = [
                one
                for branch, condition_is in ((then, True), (otherwise, False))
                for taken in _where(condition, truth=condition_is, world=world)
                for one in _where(branch, truth=truth, world=taken)
            ]
            return _bounded(chosen, world)
    return [world]


def _all(operands: Iterable[Node], *, truth: bool, world: World) -> list[World]:
    def demand(worlds: list[World], operand: Node) -> list[World]:
        return _each(worlds, lambda one: _where(operand, truth=truth, world=one))

    return _bounded(reduce(demand, operands, [world]), world)


def _each(worlds: Iterable[World], split: Callable[[World], list[World]]) -> list[World]:
    found: list[World] = []
    whole = list(worlds)
    for world in whole:
        found.extend(split(world))
        if len(found) > MOST_WORLDS:
            return whole
    return found


def _bounded(worlds: list[World], whole: World) -> list[World]:
    return worlds if len(worlds) <= MOST_WORLDS else [whole]


def _unknown(node: Node, world: World) -> list[World]:
    """Return the worlds in which a condition may be unknown: where something it reads is missing.

    Arithmetic may also be unknown of values that are there.
    """
    nodes = list(walk(node))
    if any(isinstance(below, Calculate | Negate) for below in nodes):
        return [world]
    symbols = dict.fromkeys(below.symbol for below in nodes if isinstance(below, Read))
    missing = [_presence(world, symbol, present=False) for symbol in symbols]
    return [one for worlds in missing for one in worlds]


def _compared(comparison: Comparison, left: Node, right: Node, world: World) -> list[World]:
    one, other = _constant(left), _constant(right)
    match left, right:
        case (Read(symbol), Read(second)):
            return _related(comparison, symbol, second, world)
        case (Read(symbol), _) if other is not None:
            return _against(comparison, symbol, other, world)
        case (_, Read(symbol)) if one is not None:
            return _against(flipped(comparison), symbol, one, world)
    return [world]


def _constant(node: Node) -> Constant | None:
    match node:
        case Literal(value):
            return value
        case Negate(Literal(value)) if isinstance(value, int | float):
            return -value
    return None


def _against(comparison: Comparison, symbol: Symbol, value: Constant, world: World) -> list[World]:
    if _known(world, symbol).present is False:
        return []
    before = _known(world, symbol).values
    if isinstance(before, Numbers):
        return _narrowed(world, symbol, before.narrowed(comparison, float(value)))
    if comparison is Comparison.EQUAL:
        return _narrowed(world, symbol, Names.only(value))
    if comparison is Comparison.NOT_EQUAL:
        return _narrowed(world, symbol, before.without(value))
    return [world]


def _related(comparison: Comparison, left: Symbol, right: Symbol, world: World) -> list[World]:
    one, other = _known(world, left).values, _known(world, right).values
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        narrower: tuple[Values, Values] = (
            one.compared(comparison, other),
            other.compared(flipped(comparison), one),
        )
    elif isinstance(one, Names) and isinstance(other, Names):
        narrower = _same_or_other(comparison, one, other)
    else:
        return [world]
    return [
        both
        for first in _narrowed(world, left, narrower[0])
        for both in _narrowed(first, right, narrower[1])
    ]


def _same_or_other(comparison: Comparison, one: Names, other: Names) -> tuple[Names, Names]:
    if comparison is Comparison.EQUAL:
        both = one.within(other)
        return both, both
    if comparison is Comparison.NOT_EQUAL:
        left = one if other.single is None else one.without(other.single)
        right = other if one.single is None else other.without(one.single)
        return left, right
    return one, other


def _among(operand: Node, values: list[Constant], *, truth: bool, world: World) -> list[World]:
    if not isinstance(operand, Read):
        return [world]
    symbol = operand.symbol
    before = _known(world, symbol).values
    if isinstance(before, Names):
        narrower = Names.only(*values) if truth else before.without(*values)
        return _narrowed(world, symbol, narrower)
    numbers = [float(value) for value in values]
    if not truth:
        kept = Numbers(excluded=frozenset(numbers))
        return _narrowed(world, symbol, kept)
    found = [one for n in numbers for one in _narrowed(world, symbol, Numbers.only(n))]
    return _bounded(found, world)


def _known(world: World, symbol: Symbol) -> Known:
    found = world.get(symbol.path)
    if found is not None:
        return found
    if symbol.type is ValueType.NUMBER:
        return Known(Numbers())
    if symbol.type is ValueType.BOOL:
        return Known(Names.only(True, False))  # noqa: FBT003 - both truth values
    return Known(Names(frozenset(symbol.values) if symbol.values else None))


def _narrowed(world: World, symbol: Symbol, values: Values) -> list[World]:
    """Return the world with a symbol there and among values; none where that cannot be."""
    before = _known(world, symbol)
    if before.present is False:
        return []
    both = _both(before.values, values)
    if both is None:
        return [world]
    return [] if both.empty else [{**world, symbol.path: Known(both, present=True)}]


def _both(one: Values, other: Values) -> Values | None:
    match one, other:
        case (Numbers(), Numbers()):
            return one.within(other)
        case (Names(), Names()):
            return one.within(other)
    return None


def _presence(world: World, symbol: Symbol, *, present: bool) -> list[World]:
    before = _known(world, symbol)
    if before.present is not None and before.present is not present:
        return []
    return [{**world, symbol.path: Known(before.values, present=present)}]
