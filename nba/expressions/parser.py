"""CEL text to a typed tree: cel-python's grammar, our own conversion and type check.

The subset (https://github.com/google/cel-spec): numbers, strings and bools; symbols by path;
``has(path)``; ``! && ||``; ``== != < <= > >=``; ``in`` with a list of constants, or of a constant
in a set-valued path; ``+ - * /`` and unary minus on numbers; ``condition ? a : b``; parentheses.
Everything else is refused with its name and place.

Deviations: ``int`` and ``double`` are one number type, so that ``1 / 2`` is a half and a whole
number from 2⁵³ on is refused rather than rounded; and strings are compared only for equality.
"""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nba.expressions.lexis import MAX_DEPTH, check_text, error_at, shown, string_value
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
from nba.expressions.types import ExpressionError, Schema, Symbol, ValueType, member_path

if TYPE_CHECKING:
    from lark import Token, Tree

MAX_LIST = 1_000
"""Longest list of constants."""

MAX_WHOLE = 2**53 - 1
"""Largest whole number, and with a minus the smallest: beyond it a float64 rounds some."""

SUBSET = (
    "supported are constants, paths, has(), ! && ||, == != < <= > >=, in, + - * / on numbers, "
    "?: and parentheses"
)
_REFUSED = {
    "member_index": "indexing with [ ]",
    "member_object": "building an object with { }",
    "map_lit": "a map",
    "dot_ident": "a path that starts with a dot",
    "dot_ident_arg": "a call that starts with a dot",
    "multiplication_mod": "the operator %",
}
_REFUSED_CONSTANTS = {
    "UINT_LIT": "an unsigned constant",
    "BYTES_LIT": "a byte string",
    "MLSTRING_LIT": "a triple-quoted string",
    "NULL_LIT": "null",
}
_INSTEAD = {
    "matches": "no pattern is run on a text; compare it with == or list the values with `in`",
    "size": "count in a feature, and compare that",
}
_COMPARISONS = {
    "relation_eq": Comparison.EQUAL,
    "relation_ne": Comparison.NOT_EQUAL,
    "relation_lt": Comparison.LESS,
    "relation_le": Comparison.LESS_EQUAL,
    "relation_gt": Comparison.GREATER,
    "relation_ge": Comparison.GREATER_EQUAL,
}
_OPERATIONS = {
    "addition_add": Operation.ADD,
    "addition_sub": Operation.SUBTRACT,
    "multiplication_mul": Operation.MULTIPLY,
    "multiplication_div": Operation.DIVIDE,
}
_BOOL = re.compile(r"\b(?:true|false)\b")
_EQUALITIES = (Comparison.EQUAL, Comparison.NOT_EQUAL)
_WRAPPERS = frozenset(
    {
        "expr",
        "conditionalor",
        "conditionaland",
        "relation",
        "addition",
        "multiplication",
        "unary",
        "member",
        "primary",
    }
)


def parse(source: str, schema: Schema, *, expect: ValueType = ValueType.BOOL) -> Expression:
    """Parse and type-check an expression.

    Raises :class:`~nba.expressions.types.ExpressionError`, with line and column, where the text is
    not in the subset, names an unknown symbol, mixes types, or is not of the expected type.

    >>> from nba.expressions.types import Level, Symbol, ValueType
    >>> age = Symbol("customer.age", ValueType.NUMBER, Level.SITUATION, 0)
    >>> parse("customer.age >= 18", {"customer.age": age}).root.type.value
    'bool'
    """
    check_text(source)
    checker = _Checker(source, schema)
    tree = _syntax(source)
    root = checker.node(tree, 0)
    if root.type is not expect:
        raise checker.error(tree, f"the expression is a {root.type}", f"a {expect} is needed")
    return Expression(source, root)


@lru_cache(maxsize=4_096)
def _syntax(source: str) -> Tree[Any]:
    """Return the bare syntax tree; a plan parses each condition once for every placement."""
    from celpy import CELParser
    from celpy.celparser import CELParseError

    try:
        return _slim(CELParser().parse(source))
    except CELParseError as error:
        token = getattr(error.__context__, "token", None)
        if token is not None and token.type == "$END":
            end = len(source.rstrip())
            raise error_at(source, end, "the expression ends too early", SUBSET) from error
        line, column = error.line or 1, error.column or 1
        rest = source.split("\n")[line - 1][column - 1 :]
        found = f"not readable as CEL from {shown(rest)!r}"
        raise ExpressionError(column, found, SUBSET, line=line) from error


def _slim(root: Tree[Any]) -> Tree[Any]:
    """Take out every rule between two others that only passes its one child on.

    What is left is a tenth, which matters because thousands are kept; and no call is deeper for a
    deeper tree.
    """
    for tree in root.iter_subtrees():
        tree.children = [
            _skip(child) if hasattr(child, "data") else child for child in tree.children
        ]
    return root


class _Checker:
    """Converts a syntax tree to a typed tree, against one schema."""

    def __init__(self, source: str, schema: Schema) -> None:
        self._source = source
        self._schema = schema
        self._near = 0

    def error(self, tree: Tree[Any], found: str, expected: str) -> ExpressionError:
        """Build an error placed at the start of a tree."""
        position = getattr(tree.meta, "start_pos", None)
        if position is None:
            # cel-python makes the tokens of true and false anew, without their place.
            constant = _BOOL.search(self._source, self._near)
            position = constant.start() if constant else self._near
        return error_at(self._source, position, found, expected)

    def node(self, tree: Tree[Any], depth: int) -> Node:  # noqa: PLR0911 - one case a rule
        """Convert a tree whose wrappers may still be on it."""
        tree = _unwrap(tree)
        self._near = getattr(tree.meta, "start_pos", None) or self._near
        if depth > MAX_DEPTH:
            found = f"an expression nested deeper than {MAX_DEPTH}"
            raise self.error(tree, found, "split the condition into several policies")
        match tree.data:
            case "literal":
                return self._literal(tree)
            case "ident" | "member_dot":
                return Read(self._symbol(tree))
            case "ident_arg" | "member_dot_arg":
                return self._call(tree)
            case "conditionalor" | "conditionaland":
                return self._logic(tree, depth)
            case "unary":
                return self._unary(tree, depth)
            case "expr":
                return self._choose(tree, depth)
            case "relation" | "addition" | "multiplication":
                return self._binary(tree, depth)
            case "list_lit":
                raise self.error(tree, "a list by itself", "a list may only follow `in`")
        raise self.error(tree, f"{_REFUSED.get(tree.data, tree.data)} is refused", SUBSET)

    def _typed(self, tree: Tree[Any], depth: int, expect: ValueType, what: str) -> Node:
        node = self.node(tree, depth)
        if node.type is not expect:
            raise self.error(tree, f"{what} is a {node.type}", f"a {expect} is needed")
        return node

    def _literal(self, tree: Tree[Any]) -> Literal:
        token = tree.children[0]
        match token.type:
            case "BOOL_LIT":
                return Literal(str(token) == "true", ValueType.BOOL)
            case "STRING_LIT":
                return Literal(string_value(str(token)), ValueType.STRING)
            case "INT_LIT" | "FLOAT_LIT":
                return Literal(self._number(tree, token), ValueType.NUMBER)
        raise self.error(tree, f"{_REFUSED_CONSTANTS[token.type]} is refused", SUBSET)

    def _number(self, tree: Tree[Any], token: Token) -> float:
        # A hexadecimal number takes linear time at any length, a decimal one as an int does not.
        value = int(token, 16) if "x" in token else float(token)
        if token.type == "INT_LIT" and abs(value) > MAX_WHOLE:
            expected = f"whole numbers are exact up to {MAX_WHOLE:,}; beyond, write 1e20"
            raise self.error(tree, f"number {shown(token)}", expected)
        if math.isinf(value):
            raise self.error(tree, f"number {shown(token)}", "a finite number is needed")
        return float(value)

    def _path(self, tree: Tree[Any]) -> str | None:
        """Return the dotted path a tree spells, or ``None`` where it is something else."""
        names: list[str] = []
        tree = _unwrap(tree)
        while tree.data == "member_dot":
            names.append(str(tree.children[1]))
            tree = _unwrap(tree.children[0])
        if tree.data != "ident":
            return None
        return ".".join([str(tree.children[0]), *reversed(names)])

    def _symbol(self, tree: Tree[Any]) -> Symbol:
        path = self._path(tree)
        if path is None:
            raise self.error(tree, "a field of something that is not a path", SUBSET)
        symbol = self._schema.get(path)
        if symbol is None:
            raise self.error(tree, f"unknown name {shown(path)}", self._nearest(path))
        return symbol

    def _nearest(self, path: str) -> str:
        near = get_close_matches(path, [name for name in self._schema if "[" not in name], n=3)
        if not near:
            return f"known names are declared in the features, {len(self._schema)} in all"
        return f"did you mean {' or '.join(near)}?"

    def _call(self, tree: Tree[Any]) -> Node:
        is_method = tree.data == "member_dot_arg"
        name = str(tree.children[1] if is_method else tree.children[0])
        if is_method or name != "has":
            found = f"the call {shown(name)}() is refused"
            raise self.error(tree, found, _INSTEAD.get(name, SUBSET))
        arguments = tree.children[1].children if len(tree.children) > 1 else []
        if len(arguments) != 1 or self._path(arguments[0]) is None:
            raise self.error(tree, "has() without one path", "write has(customer.age)")
        return Has(self._symbol(arguments[0]))

    def _logic(self, tree: Tree[Any], depth: int) -> Node:
        """Flatten a chain of one operator, however long, into one node."""
        chain: list[Tree[Any]] = []
        rule = tree.data
        while tree.data == rule and len(tree.children) > 1:
            chain.append(tree.children[1])
            tree = tree.children[0]
        chain.append(tree)
        sign = "||" if rule == "conditionalor" else "&&"
        operands = tuple(
            self._typed(operand, depth + 1, ValueType.BOOL, f"an operand of {sign}")
            for operand in reversed(chain)
        )
        return Or(operands) if rule == "conditionalor" else And(operands)

    def _unary(self, tree: Tree[Any], depth: int) -> Node:
        operand = tree.children[1]
        if tree.children[0].data == "unary_not":
            return Not(self._typed(operand, depth + 1, ValueType.BOOL, "the operand of !"))
        return Negate(self._typed(operand, depth + 1, ValueType.NUMBER, "the operand of -"))

    def _choose(self, tree: Tree[Any], depth: int) -> Node:
        condition = self._typed(
            tree.children[0], depth + 1, ValueType.BOOL, "the condition before ?"
        )
        then = self.node(tree.children[1], depth + 1)
        otherwise = self._typed(
            tree.children[2], depth + 1, then.type, f"the branch after : (the other is {then.type})"
        )
        return Choose(condition, then, otherwise)

    def _binary(self, tree: Tree[Any], depth: int) -> Node:
        operator, right_tree = tree.children
        left_tree = operator.children[0]
        if operator.data == "relation_in":
            return self._membership(left_tree, right_tree, depth)
        if operator.data in _OPERATIONS:
            sign = _OPERATIONS[operator.data]
            left = self._typed(left_tree, depth + 1, ValueType.NUMBER, f"the left of {sign}")
            right = self._typed(right_tree, depth + 1, ValueType.NUMBER, f"the right of {sign}")
            return Calculate(sign, left, right)
        if operator.data not in _COMPARISONS:
            raise self.error(tree, f"{_REFUSED[operator.data]} is refused", SUBSET)
        comparison = _COMPARISONS[operator.data]
        left = self.node(left_tree, depth + 1)
        what = f"the right of {comparison} (the left is a {left.type})"
        right = self._typed(right_tree, depth + 1, left.type, what)
        if comparison not in _EQUALITIES and left.type is not ValueType.NUMBER:
            found = f"{left.type}s compared with {comparison}"
            raise self.error(tree, found, "only numbers have an order; use == or !=")
        self._check_known(right_tree, left, right)
        self._check_known(left_tree, right, left)
        return Compare(comparison, left, right)

    def _membership(self, left_tree: Tree[Any], right_tree: Tree[Any], depth: int) -> Node:
        path = self._path(right_tree)
        right = _unwrap(right_tree)
        if path is not None:
            self._check_apart(right_tree)
            return self._member(left_tree, right_tree, path, depth)
        if right.data != "list_lit":
            raise self.error(right_tree, "`in` without a list", "write `x in [1, 2, 3]`")
        operand = self.node(left_tree, depth + 1)
        elements = right.children[0].children if right.children else []
        if not 1 <= len(elements) <= MAX_LIST:
            found = f"a list of {len(elements):,}"
            raise self.error(right_tree, found, f"1 to {MAX_LIST:,} constants are accepted")
        values = tuple(self._constant(element, operand) for element in elements)
        return In(operand, values)

    def _check_apart(self, right_tree: Tree[Any]) -> None:
        """Refuse ``x inset``, which the grammar reads as ``x in set``."""
        start = right_tree.meta.start_pos
        if self._source[start - 2 : start] == "in" and self._source[start] != "(":
            word = shown(f"in{self._path(right_tree)}")
            raise error_at(self._source, start - 2, f"the word {word}", "put a space after in")

    def _constant(self, tree: Tree[Any], operand: Node) -> Literal:
        node = self._typed(tree, 0, operand.type, f"a list element (the left is a {operand.type})")
        if isinstance(node, Negate) and isinstance(node.operand, Literal):
            node = Literal(-float(node.operand.value), ValueType.NUMBER)
        if not isinstance(node, Literal):
            raise self.error(tree, "a list element that is no constant", "list only constants")
        self._check_known(tree, operand, node)
        return node

    def _member(self, left: Tree[Any], right: Tree[Any], path: str, depth: int) -> Node:
        if any(symbol.startswith(f"{path}[") for symbol in self._schema):
            word = self._typed(left, depth + 1, ValueType.STRING, f"what is sought in {path}")
            if not isinstance(word, Literal):
                raise self.error(left, f"a computed word sought in {path}", "write a constant")
            symbol = self._schema.get(member_path(path, str(word.value)))
            if symbol is None:
                raise self.error(
                    left,
                    f'unknown word "{shown(str(word.value))}" of {path}',
                    self._words(path, str(word.value)),
                )
            return Read(symbol)
        raise self.error(right, f"`in {shown(path)}`, which is no set", "write `x in [1, 2, 3]`")

    def _words(self, path: str, word: str) -> str:
        words = [
            symbol[len(path) + 1 : -1] for symbol in self._schema if symbol.startswith(f"{path}[")
        ]
        near = get_close_matches(word, words, n=3) or words[:3]
        return f"did you mean {' or '.join(near)}?"

    def _check_known(self, tree: Tree[Any], read: Node, literal: Node) -> None:
        """Refuse a string constant that an enumerated symbol can never be."""
        if not (isinstance(read, Read) and read.symbol.values and isinstance(literal, Literal)):
            return
        if literal.value not in read.symbol.values:
            known = ", ".join(read.symbol.values[:20])
            raise self.error(
                tree,
                f'"{shown(str(literal.value))}" is never the value of {read.symbol.path}',
                f"it is {known}",
            )


def _skip(tree: Tree[Any]) -> Tree[Any]:
    """Take off every rule that only passes its one child on, up to a bracket."""
    while tree.data in _WRAPPERS and len(tree.children) == 1:
        tree = tree.children[0]
    return tree


def _unwrap(tree: Tree[Any]) -> Tree[Any]:
    """Take off every rule that only passes its one child on, and brackets."""
    while (tree := _skip(tree)).data == "paren_expr":
        tree = tree.children[0]
    return tree
