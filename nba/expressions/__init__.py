"""Conditions in a typed subset of CEL: parsed once, checked against a schema, run on arrays.

The import is light: the grammar loads when the first expression is parsed.
"""

from nba.expressions.bits import pack, unpack, word_count
from nba.expressions.conditions import BoundConditions, ConditionProgram, compile_program
from nba.expressions.interpreter import Value, interpret
from nba.expressions.parser import MAX_LIST, SUBSET, parse
from nba.expressions.program import BoundValues, Program, ValueProgram, compile_values
from nba.expressions.tree import Expression
from nba.expressions.types import (
    ExpressionError,
    Level,
    Schema,
    Symbol,
    ValueType,
    member_path,
)

__all__ = [
    "MAX_LIST",
    "SUBSET",
    "BoundConditions",
    "BoundValues",
    "ConditionProgram",
    "Expression",
    "ExpressionError",
    "Level",
    "Program",
    "Schema",
    "Symbol",
    "Value",
    "ValueProgram",
    "ValueType",
    "compile_program",
    "compile_values",
    "interpret",
    "member_path",
    "pack",
    "parse",
    "unpack",
    "word_count",
]
