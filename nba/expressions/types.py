"""Types, symbols and the one error of the expression language.

Every number is a float64 and a missing value is NaN (``None`` in the reference interpreter). An
enumerated string is a *code*: the index of the string in its symbol's ``values``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from nba.errors import NbaError


class ValueType(StrEnum):
    """What an expression or a symbol is; CEL's ``int`` and ``double`` are both ``number``."""

    NUMBER = "number"
    BOOL = "bool"
    STRING = "string"


class Level(IntEnum):
    """How often a value occurs: once in a decision, or once for every candidate."""

    SITUATION = 0
    CANDIDATE = 1


@dataclass(frozen=True, slots=True)
class Symbol:
    """One name an expression may use, and where its value is found.

    ``column`` indexes the situation row or the candidate table, by ``level``. A string with
    ``values`` is enumerated and held as a code; one without is open and only interpreted.
    """

    path: str
    type: ValueType
    level: Level
    column: int
    values: tuple[str, ...] = ()


Schema = Mapping[str, Symbol]
"""Symbols by path, such as ``customer.age``.

A set of words, such as the terms of an action, is given as one boolean symbol per word: the
expression ``"product:credit" in action.terms`` reads the symbol of :func:`member_path`.
"""


def member_path(path: str, word: str) -> str:
    """Return the path of the boolean symbol saying whether the set at ``path`` holds ``word``.

    >>> member_path("action.terms", "product:credit")
    'action.terms[product:credit]'
    """
    return f"{path}[{word}]"


class ExpressionError(NbaError, ValueError):
    """An expression is not in the supported language or does not fit its schema.

    ``line`` and ``column`` count from 1 inside the expression.
    """

    def __init__(self, column: int, found: str, expected: str, *, line: int = 1) -> None:
        self.line = line
        self.column = column
        self.found = found
        self.expected = expected
        where = f"column {column}" if line == 1 else f"line {line}, column {column}"
        super().__init__(f"{where}: {found}; {expected}")
